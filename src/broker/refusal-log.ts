import type { BrokerConfig, BrokerRefusal } from "../api/broker-config.ts";
import { appendAuditLine } from "../database/runs/append-audit-line.ts";
import type { Queryable } from "../database/runs/database.ts";
import type { Logger } from "../telemetry/log.ts";
import type { CallingPod } from "./pod.ts";

/** A call that was refused, as the audit log has it. */
export interface RefusedCall {
  /** Undefined: nobody knows, as its token is no good. */
  pod: CallingPod | undefined;
  address: string;
  reason: BrokerRefusal;
  message: string;
}

/** After the first of its kind, more are counted for so long, and told in one line: a pod in a loop would fill the log. */
const GATHER_MS = 60_000;
/** Kinds that are counted at once; more are one kind. */
const MOST_KINDS = 1000;

/** Nobody did anything wrong: the metrics have it. */
const NO_OFFENCE = new Set<BrokerRefusal>(["busy", "unreachable", "no-key", "budget-in-use", "budget-unknown"]);

interface Gathered {
  calls: number;
  last: RefusedCall;
  timer: NodeJS.Timeout;
}

/** Writes refused calls to the tenant's audit log, with pod and agent. A database that cannot be reached loses lines, not calls. */
export class RefusalLog {
  readonly #db: Queryable;
  readonly #tenant: BrokerConfig["tenant"];
  readonly #log: Logger;
  readonly #gathered = new Map<string, Gathered>();
  readonly #writing = new Set<Promise<void>>();

  constructor(db: Queryable, { tenant }: BrokerConfig, log: Logger) {
    this.#db = db;
    this.#tenant = tenant;
    this.#log = log;
  }

  note(call: RefusedCall): void {
    if (NO_OFFENCE.has(call.reason)) return;
    const own = `${call.reason} ${call.pod?.uid ?? call.address}`;
    const kind = this.#gathered.has(own) || this.#gathered.size < MOST_KINDS ? own : "others";
    const gathered = this.#gathered.get(kind);
    if (gathered) {
      gathered.calls++;
      gathered.last = call;
      return;
    }
    this.#write(call, 1);
    const timer = setTimeout(() => this.#flush(kind), GATHER_MS).unref();
    this.#gathered.set(kind, { calls: 0, last: call, timer });
  }

  #flush(kind: string): void {
    const gathered = this.#gathered.get(kind);
    this.#gathered.delete(kind);
    if (!gathered) return;
    clearTimeout(gathered.timer);
    if (gathered.calls > 0) this.#write(gathered.last, gathered.calls);
  }

  #write({ pod, address, reason, message }: RefusedCall, calls: number): void {
    const at = new Date().toISOString();
    const who = pod ? { agent: pod.agent, pod: pod.name, podUid: pod.uid } : { agent: null, pod: null };
    this.#log.warn({ ...who, address, reason, calls, why: message }, "refused a call of the model");
    const line = { at, tenant: this.#tenant.name, ...who, user: null, action: "model.refused", reason, message };
    const record = JSON.stringify({ ...line, address, calls })
      .replaceAll("\\u0000", "\\ufffd")
      .toWellFormed();
    const writing = appendAuditLine(this.#db, { at, record })
      .catch((error: unknown) => this.#log.error({ err: error }, "a refused call could not be put into the audit log"))
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  /** Writes what is still counted. */
  async close(): Promise<void> {
    for (const kind of this.#gathered.keys()) this.#flush(kind);
    await Promise.all(this.#writing);
  }
}
