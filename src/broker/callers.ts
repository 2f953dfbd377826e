import type { IncomingMessage } from "node:http";
import { BROKER_AUDIENCE, type BrokerConfig } from "../api/broker-config.ts";
import { FailedAttempts } from "../runtime/http/failed-attempts.ts";
import { type IssuerKeys, IssuerUnreachable } from "../runtime/http/issuer-keys.ts";
import { VerifiedTokens } from "../runtime/http/verified-tokens.ts";
import { bearerOf, CLOCK_SKEW_SECONDS, LONGEST_TOKEN, verifyToken } from "../runtime/http/verify-token.ts";
import { type CallingPod, podOfToken } from "./pod.ts";
import { Refused } from "./refusal.ts";

const refused = (why: string) => new Refused("token", `the key broker does not take this token: ${why}`);

const WHY: Record<string, string> = {
  ERR_JWT_EXPIRED: "it has expired",
  ERR_JWT_CLAIM_VALIDATION_FAILED: "it is for another audience, or of another issuer",
  ERR_JWKS_NO_MATCHING_KEY: "no key of this cluster's issuer signed it",
};

/** Finds out which pod calls, by the token that the kubelet gave it. */
export class Callers {
  readonly #config: BrokerConfig;
  readonly #keys: IssuerKeys;
  readonly #attempts: FailedAttempts;
  readonly #known = new VerifiedTokens<CallingPod>(1000);

  constructor(config: BrokerConfig, keys: IssuerKeys, attempts = new FailedAttempts()) {
    this.#config = config;
    this.#keys = keys;
    this.#attempts = attempts;
  }

  /** @throws Refused */
  async podOf({ headers, socket }: IncomingMessage): Promise<CallingPod> {
    const address = socket.remoteAddress ?? "";
    try {
      return await this.#podOf(headers.authorization, address);
    } catch (error) {
      if (error instanceof Refused && error.reason === "token") this.#attempts.count(address);
      throw error;
    }
  }

  async #podOf(header: string | undefined, address: string): Promise<CallingPod> {
    const token = bearerOf(header);
    if (!token || token.length > LONGEST_TOKEN) throw refused("there is none that can be read");
    await this.#freshKeys();
    const { generation } = this.#keys;
    const known = this.#known.get(token, generation);
    if (known) return known;
    const wait = this.#attempts.blockedFor(address);
    if (wait !== undefined)
      throw new Refused("attempts", "too many bad tokens from this address", { retryAfter: wait });
    const payload = await verifyToken(token, this.#keys, this.#config.issuer, BROKER_AUDIENCE).catch(
      (cause: unknown) => {
        throw refused(WHY[(cause as { code?: string }).code ?? ""] ?? "its signature is not valid");
      },
    );
    const pod = podOfToken(payload, this.#config.tenant.namespace);
    const until = ((payload.exp as number) + CLOCK_SKEW_SECONDS) * 1000;
    if (generation === this.#keys.generation) this.#known.set(token, pod, until, generation);
    return pod;
  }

  async #freshKeys(): Promise<void> {
    try {
      await this.#keys.fresh();
    } catch (cause) {
      if (!(cause instanceof IssuerUnreachable)) throw cause;
      throw new Refused("busy", "the keys to check tokens with are not there yet", { cause, retryAfter: 5 });
    }
  }
}
