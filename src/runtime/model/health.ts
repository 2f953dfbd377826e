import { fingerprint } from "../credentials/api-key.ts";
import type { Watched } from "../../process/watched.ts";
import type { Model } from "./client.ts";
import { classifyModelError, type ModelFailure } from "./failure.ts";

export interface ModelStatus {
  /** `unknown`: not tried yet, or the API could not be reached. */
  verified: boolean | "unknown";
  reason: "UnknownModel" | "KeyRefused" | "KeyMissing" | "Unreachable" | null;
  lastError: { type: string; at: string; message: string } | null;
  lastSuccessAt: string | null;
}

const REASONS: Record<string, ModelStatus["reason"]> = {
  api_key_refused: "KeyRefused",
  api_key_missing: "KeyMissing",
  unknown_model: "UnknownModel",
  model_not_allowed: "UnknownModel",
};

/** What is known of the model and the key: from real calls, and from a cheap look-up at the start, on a new key, and now and then. */
export class ModelHealth {
  readonly #model: Model;
  readonly #name: string;
  readonly #apiKey: Watched<string>;
  #status: ModelStatus = { verified: "unknown", reason: null, lastError: null, lastSuccessAt: null };
  #timer: NodeJS.Timeout | undefined;
  /** The message of the last refusal. */
  #refusal = "";

  constructor(model: Model, name: string, apiKey: Watched<string>) {
    this.#model = model;
    this.#name = name;
    this.#apiKey = apiKey;
  }

  get status(): ModelStatus {
    return this.#status;
  }

  get key(): { present: boolean; fingerprint: string | null } {
    const { value, problem } = this.#apiKey;
    return { present: value !== undefined && problem === undefined, fingerprint: value ? fingerprint(value) : null };
  }

  /** What keeps the agent from answering until somebody changes something, as the operator shows it. */
  get problem(): { reason: string; message: string } | null {
    const { verified, reason } = this.#status;
    return verified === false && reason ? { reason, message: this.#refusal } : null;
  }

  /**
   * The model does not exist, and never did for this process: a pod with it is not to take the place of one that answers. One whose
   * model goes while it runs stays ready, so that sessions can be read.
   */
  get neverKnown(): boolean {
    return this.#status.reason === "UnknownModel" && this.#status.lastSuccessAt === null;
  }

  succeeded(): void {
    this.#status = { verified: true, reason: null, lastError: null, lastSuccessAt: new Date().toISOString() };
  }

  failed(failure: ModelFailure): void {
    const message = failure.kind === "fatal" ? failure.message : `the model API is ${failure.kind} (${failure.type})`;
    const unreachable = failure.kind === "busy" && this.#status.verified !== false; // a refusal stands until a call succeeds
    const reason = REASONS[failure.type] ?? (unreachable ? "Unreachable" : this.#status.reason);
    if (REASONS[failure.type]) this.#refusal = message;
    const verified = REASONS[failure.type] ? false : this.#status.verified;
    this.#status = {
      ...this.#status,
      verified,
      reason,
      lastError: { type: failure.type, at: new Date().toISOString(), message },
    };
  }

  async verify(): Promise<void> {
    try {
      await this.#model.verify(this.#name);
      this.succeeded();
    } catch (error) {
      this.failed(classifyModelError(error, this.#name));
    }
  }

  /** Verifies now, on a new key, every 10 minutes while all is well and every 10 s while not. */
  start(): void {
    this.#apiKey.onChange(() => void this.verify());
    const again = async () => {
      await this.verify();
      if (this.#timer) this.#timer = setTimeout(again, this.#status.verified === true ? 600_000 : 10_000).unref();
    };
    this.#timer = setTimeout(again, 0).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
