import { Gauge, type Registry } from "prom-client";

/** A list-watch cache. */
export interface Watch {
  kind: { kind: string };
  /** Since the API server was last heard of, in seconds; undefined before the first list. */
  silenceSeconds(): number | undefined;
  /** Objects that are there and cannot be read. */
  unreadable: { size: number };
}

export function observeWatches(registry: Registry, watches: () => readonly Watch[]): void {
  const gauge = (name: string, help: string, value: (it: Watch) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ["kind"],
      registers: [registry],
      collect() {
        for (const it of watches()) {
          const seen = value(it);
          if (seen !== undefined) this.set({ kind: it.kind.kind }, seen);
        }
      },
    });
  gauge(
    "agentpg_watch_silence_seconds",
    "Since the watch of a kind last heard from the API server, in seconds. Bookmarks come about every minute.",
    (it) => it.silenceSeconds(),
  );
  gauge(
    "agentpg_unreadable_objects",
    "Objects of a kind that the operator cannot read, as those of a newer version may be; they are left alone.",
    (it) => it.unreadable.size,
  );
}
