import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { clientOptions, type ConnectionSettings } from "../connection.ts";
import { ANSWER_MS, type Queryable } from "./database.ts";
import { hangUp } from "./silence.ts";

/**
 * The channel on which an agent's pods are told to look for work. Channels are database-wide and anyone may listen or send:
 * the name says nothing, the payload is empty, and a notification is only a hint to poll sooner.
 */
export const wakeChannel = (schema: string, agent: string): string =>
  `w_${createHash("sha256").update(`${schema}/${agent}`).digest("hex").slice(0, 32)}`;

/** Hints the pods of these agents. A statement of its own, after the commit: NOTIFY inside a transaction serialises commits. */
export async function wake(db: Queryable, schema: string, agents: string[]): Promise<void> {
  const channels = [...new Set(agents)].map((agent) => wakeChannel(schema, agent));
  if (channels.length) await db.query("wake", "SELECT pg_notify(c, '') FROM unnest($1::text[]) c", [channels]);
}

/** Listens on one connection of its own and comes back with back-off when it breaks. `onWake` must not throw. */
export class WakeListener {
  readonly #channel: string;
  readonly #settings: () => ConnectionSettings | undefined;
  readonly #onWake: () => void;
  readonly #stop = new AbortController();
  #client: Client | undefined;

  /** @param settings undefined while there should be no listening; asked again and again, and at {@link reconnect} */
  constructor(channel: string, settings: () => ConnectionSettings | undefined, onWake: () => void) {
    this.#channel = channel;
    this.#settings = settings;
    this.#onWake = onWake;
  }

  /** Runs until {@link close}. */
  async run(): Promise<void> {
    for (let delay = 500; !this.#stop.signal.aborted; delay = Math.min(delay * 2, 5000)) {
      const since = Date.now();
      await this.#listen().catch(() => {});
      if (Date.now() - since > 5000) delay = 500;
      await sleep(delay * (0.5 + Math.random()), undefined, { signal: this.#stop.signal }).catch(() => {});
    }
  }

  async #listen(): Promise<void> {
    const settings = this.#settings();
    if (!settings) return;
    const client = new Client({ ...clientOptions(settings, "agentpg-wake"), query_timeout: ANSWER_MS });
    const ended = new Promise<void>((resolve) => void client.on("error", () => resolve()).once("end", () => resolve()));
    this.#client = client;
    try {
      await client.connect();
      client.on("notification", this.#onWake);
      await client.query(`LISTEN ${this.#channel}`);
      if (!this.#stop.signal.aborted) await ended;
    } finally {
      this.#client = undefined;
      hangUp(client);
    }
  }

  /** Connects again, with the settings of now. */
  reconnect(): void {
    if (this.#client) hangUp(this.#client);
  }

  close(): void {
    this.#stop.abort();
    this.reconnect();
  }
}
