import { open, stat } from "node:fs/promises";

/** What the API server wrote about one request (audit.k8s.io/v1, level Metadata). */
interface AuditEvent {
  stage: string;
  verb: string;
  user: { username: string };
  objectRef?: { resource?: string; subresource?: string };
}

const WRITES = new Set(["create", "update", "patch", "delete", "deletecollection"]);

/** Requests of one user in a stretch of time, as the API server counted them; Leases and watches not counted. */
export interface Requests {
  all: number;
  writes: number;
  /** By `verb resource[/subresource]`, the most frequent first. */
  by: Record<string, number>;
}

/** Reads the audit log from where it ended last time. */
export class AuditLog {
  readonly #path: string;
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** What comes from now on is what {@link requestsSince} counts. */
  async mark(): Promise<void> {
    this.#offset = (await stat(this.#path)).size;
  }

  async requestsSince(user: string): Promise<Requests> {
    const counts = new Map<string, number>();
    const file = await open(this.#path);
    let writes = 0;
    try {
      for await (const line of file.readLines({ start: this.#offset })) {
        if (!line.includes(user)) continue;
        const { stage, verb, user: who, objectRef } = JSON.parse(line) as AuditEvent;
        if (
          who.username !== user ||
          stage !== "ResponseComplete" ||
          verb === "watch" ||
          objectRef?.resource === "leases"
        )
          continue;
        const resource = objectRef?.resource ?? "discovery";
        const what = `${verb} ${resource}${objectRef?.subresource ? `/${objectRef.subresource}` : ""}`;
        counts.set(what, (counts.get(what) ?? 0) + 1);
        if (WRITES.has(verb)) writes++;
      }
    } finally {
      await file.close();
    }
    const by = Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
    return { all: [...counts.values()].reduce((sum, n) => sum + n, 0), writes, by };
  }
}
