import { randomBytes } from "node:crypto";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { isConflict, isNotFound } from "../../kubernetes/errors.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { SECRET } from "../../kubernetes/resource-kind.ts";
import { Problem } from "./problem.ts";
import { TimedCache } from "./timed-cache.ts";

/** The entry of the Secret. */
const ENTRY = "session-key";
const BYTES = 32;
/** How soon a new key is in use: whoever empties the Secret signs everybody out. */
const BELIEVED_MS = 60_000;

type Secret = KubernetesObject & { data?: Record<string, string> };

/**
 * The key that cookies are sealed with. It is in a Secret that the chart makes empty and the first operator fills, so that all replicas
 * have the same one, and Helm never knows it.
 */
export class SessionKey {
  readonly #client: KubernetesClient;
  readonly #namespace: string;
  readonly #name: string;
  readonly #known = new TimedCache<Buffer>(BELIEVED_MS);

  constructor(client: KubernetesClient, namespace: string, name: string) {
    this.#client = client;
    this.#namespace = namespace;
    this.#name = name;
  }

  /** @throws Problem when there is no such Secret; ApiError, ApiUnreachable */
  get(): Promise<Buffer> {
    return this.#known.get("", () => this.#read());
  }

  async #read(): Promise<Buffer> {
    for (let attempt = 1; ; attempt++) {
      const secret = await this.#client.get<Secret>(SECRET, this.#name, this.#namespace).catch((error: unknown) => {
        throw isNotFound(error) ? this.#missing() : error;
      });
      const key = Buffer.from(secret.data?.[ENTRY] ?? "", "base64");
      if (key.length === BYTES) return key;
      const filled = { ...secret, data: { ...secret.data, [ENTRY]: randomBytes(BYTES).toString("base64") } };
      await this.#client.replace(SECRET, filled).catch((error: unknown) => {
        if (!isConflict(error) || attempt === 5) throw error; // the other replica was first
      });
    }
  }

  #missing(): Problem {
    return new Problem(
      503,
      "session-key",
      `the Secret ${this.#name} for the console's sessions is not in namespace ${this.#namespace}`,
      "the chart makes it with console.enabled: true; an empty Secret of that name will do, the operator fills it",
    );
  }
}
