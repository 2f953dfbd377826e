import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError } from "../../database/errors.ts";
import type { WrappedDataKey } from "../../database/encryption/wrapped-keys.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { DatabaseAccess } from "../databases/database-access.ts";
import { wrapAnew } from "./data-keys.ts";
import { type KeyProvider, KeyProviderProblem } from "./key-provider.ts";
import type { EncryptionMetrics } from "./metrics.ts";

interface RewrapOptions {
  /** In turn; one that is down keeps no other from it. */
  databases: readonly DatabaseAccess[];
  provider: KeyProvider;
  metrics: EncryptionMetrics;
  logger: Logger;
  everyMs: number;
}

/** Keys of one look: a wrapped key is some 100 bytes. */
const MOST_AT_ONCE = 10_000;

/**
 * Wraps data keys anew when another key-encryption key is in use, also those of deleted tenants whose data is retained. Each key
 * is one small write that replaces what was read, so it may be cut short and repeated at any point.
 */
export class RewrapLoop {
  readonly #options: RewrapOptions;

  constructor(options: RewrapOptions) {
    this.#options = options;
  }

  /** Works until `signal` aborts. @throws when another leader has taken over */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const database of this.#options.databases)
        await this.once(database).catch((error: unknown) => this.#failed(error));
      await sleep(this.#options.everyMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Looks at all data keys of one server once. */
  async once(database: DatabaseAccess): Promise<void> {
    const { provider, metrics, logger } = this.#options;
    const kek = await provider.current();
    const old = await database.use((it) => it.dataKeys.notUnder(kek, MOST_AT_ONCE));
    let done = 0;
    const stuck = new Map<string, Error>();
    for (const key of old) {
      if (stuck.has(key.kek)) continue;
      await this.#rewrap(database, key).then(
        (it) => (done += Number(it)),
        (error: unknown) => {
          if (!(error instanceof KeyProviderProblem)) throw error;
          stuck.set(key.kek, error);
        },
      );
    }
    for (const [earlier, err] of stuck)
      logger.warn({ kek: earlier, err }, "data keys stay under an earlier key-encryption key");
    if (done > 0) logger.info({ kek, keys: done }, "data keys were wrapped anew");
    metrics.set(database.name, await database.use((it) => it.dataKeys.count()), kek);
  }

  async #rewrap(database: DatabaseAccess, key: WrappedDataKey): Promise<boolean> {
    const by = await wrapAnew(this.#options.provider, key);
    return database.use((it, epoch) => it.dataKeys.rewrap(epoch, key, by));
  }

  #failed(error: unknown): void {
    const { logger } = this.#options;
    if (error instanceof DatabaseError && error.reason === "StaleEpoch") throw error;
    // A database that is down shows in the Tenants' conditions.
    logger[error instanceof DatabaseError ? "debug" : "warn"]({ err: error }, "data keys could not be looked at");
  }
}
