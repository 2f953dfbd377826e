import { readFileSync } from "node:fs";
import type { User } from "@kubernetes/client-node";

/** The kubelet replaces a service account's token at four fifths of its life: this is often enough, and costs nothing. */
const REREAD_MS = 10_000;

interface WithHeaders {
  headers?: Record<string, unknown> | undefined;
}

/**
 * The bearer token of a file that is replaced from time to time (a bound service-account token lives for an hour).
 * client-node's own keeps what it read for a minute of the wall clock, so that a token that expired meanwhile is refused for as long.
 */
export class TokenFile {
  #path = "";
  #token = "";
  #readAt = Number.NEGATIVE_INFINITY;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  isAuthProvider(user: User): boolean {
    return typeof user.authProvider?.config?.tokenFile === "string";
  }

  async applyAuthentication(user: User, options: WithHeaders): Promise<void> {
    const path = user.authProvider?.config?.tokenFile as string;
    if (path !== this.#path || this.#now() - this.#readAt > REREAD_MS) {
      this.#path = path;
      this.reload();
    }
    if (this.#token) options.headers = { ...options.headers, Authorization: `Bearer ${this.#token}` };
  }

  /** Reads the file now; whether there is another token in it than before. A file that cannot be read leaves what is known. */
  reload(): boolean {
    if (!this.#path) return false;
    try {
      const token = readFileSync(this.#path, "utf8").trim();
      this.#readAt = this.#now();
      const isNew = token !== "" && token !== this.#token;
      if (isNew) this.#token = token;
      return isNew;
    } catch {
      return false;
    }
  }
}
