import type { Watched } from "../../../process/watched.ts";
import { ToolError } from "../tool.ts";
import { Unauthorized } from "./errors.ts";
import type { McpHost, McpSpec } from "./offer.ts";

/** The bearer token that one server wants; none, when its entry names none. */
export class ServerToken {
  readonly #ref: { name: string; key: string } | undefined;
  readonly #token: Watched<string> | undefined;

  constructor({ name, mcp: { tokenSecretRef } }: McpSpec, { tokenOf }: McpHost, onChange: () => void) {
    this.#ref = tokenSecretRef;
    if (tokenSecretRef) this.#token = tokenOf(name);
    this.#token?.onChange(onChange);
  }

  get value(): string | undefined {
    return this.#token?.value;
  }

  async start(): Promise<void> {
    await this.#token?.start();
  }
  stop(): void {
    this.#token?.stop();
  }

  /** Reads the token now. @returns whether it is another one */
  async refresh(): Promise<boolean> {
    const before = this.value;
    return (await this.#token?.refresh()) !== before;
  }

  get #place(): string {
    return `Secret ${this.#ref?.name}, key ${this.#ref?.key} (mcp.tokenSecretRef)`;
  }

  /** @throws ToolError when there is to be a token, and is none */
  check(): void {
    if (this.#ref && !this.value)
      throw new ToolError(`there is no token for the server: ${this.#place}, is missing, empty or no bearer token`);
  }

  /** What an error of the server says, when it is the token that it does not take, and without the token if it says that back to us. */
  told(error: Error): string {
    if (error instanceof Unauthorized && this.#ref)
      return `the MCP server refused the token (HTTP 401): check ${this.#place}`;
    return this.hide(error.message);
  }

  /** The error as it may be logged and shown. */
  safe<E>(error: E): E {
    if (!(error instanceof Error) || !this.value) return error;
    return Object.assign(error, { message: this.told(error), cause: undefined });
  }

  hide(text: string): string {
    return this.value ? text.replaceAll(this.value, "[the token]") : text;
  }
}
