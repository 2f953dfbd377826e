import Anthropic from "@anthropic-ai/sdk";

type Build = Anthropic["buildRequest"];
type Built = Awaited<ReturnType<Build>>;

const MESSAGES = "/v1/messages";

/**
 * The SDK's client, which keeps the URL and the headers of a streamed call for the next one: it would put the same dozen together
 * anew, half a dozen times over, which was a seventh of all memory that a run took. They are built again when the key or the
 * time-out changes, and for whatever is not a first attempt at a streamed message.
 */
export class StreamingClient extends Anthropic {
  readonly #key: () => string | undefined;
  /** Nothing of the call that it was built for: neither its body nor its signal. */
  #last:
    | (Omit<Built, "req"> & { key: string; asked: number | undefined; headers: Built["req"]["headers"] })
    | undefined;

  /** @param key what the next request is sent with; undefined when there is none */
  constructor(options: ConstructorParameters<typeof Anthropic>[0], key: () => string | undefined) {
    super(options);
    this.#key = key;
  }

  override async buildRequest(...[options, more]: Parameters<Build>): Promise<Built> {
    const key = this.#key();
    const { path, stream, timeout: asked, signal, body } = options;
    if (!key || path !== MESSAGES || !stream || more?.retryCount) return super.buildRequest(options, more);
    if (this.#last?.key !== key || this.#last.asked !== asked) {
      const built = await super.buildRequest(options, more);
      const { url, timeout, req } = built;
      if (this.#key() === key) this.#last = { key, asked, url, timeout, headers: req.headers };
      return built;
    }
    const { url, timeout, headers } = this.#last;
    return {
      url,
      timeout,
      req: { method: "post", headers, body: JSON.stringify(body), ...(signal ? { signal } : {}) },
    };
  }
}
