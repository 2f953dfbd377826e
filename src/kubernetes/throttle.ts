/** The priority level that a request was counted to (API Priority and Fairness); on every answer of an API server. */
export const PRIORITY_LEVEL_HEADER = "x-kubernetes-pf-prioritylevel-uid";

/** What the API server said about a request. */
export interface Answer {
  status: number;
  /** The value of {@link PRIORITY_LEVEL_HEADER}, if any. */
  level: string | undefined;
  /** How long it asks to wait, in milliseconds. */
  retryAfterMs: number | undefined;
}

/** Whether the server refused a request without looking at it, and says when to come again. */
export const isPushback = ({ status, retryAfterMs }: Answer): boolean =>
  (status === 429 || status === 503) && retryAfterMs !== undefined;

/** What requests have in common for the API server's flow schemas: method and resource, whatever the names. */
export function flowOf(method: string, path: string): string {
  const [, root, ...rest] = path.split("/");
  const inGroup = root === "apis" ? rest.slice(0, 2) : rest.slice(0, 1);
  const after = rest.slice(inGroup.length);
  const resource = after[0] === "namespaces" && after.length > 2 ? after[2] : after[0];
  return `${method} ${inGroup.join("/")}/${resource ?? ""}`;
}

/**
 * What a whole client holds back when the API server pushes back. One refused request speaks for all that are counted to the
 * same priority level, and for no others: Leases have a level of their own and are renewed while the rest waits.
 */
export class Throttle {
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #levels = new Map<string, string>();
  readonly #closedUntil = new Map<string, number>();

  constructor({ now = () => performance.now(), random = Math.random } = {}) {
    this.#now = now;
    this.#random = random;
  }

  /** Milliseconds that a request of this flow has to wait; 0: it may go. Waits are spread, so that not all go at once. */
  waitMs(flow: string): number {
    const left = (this.#closedUntil.get(this.#levels.get(flow) ?? flow) ?? 0) - this.#now();
    return left > 0 ? left * (1 + this.#random() / 2) : 0;
  }

  heard(flow: string, answer: Answer): void {
    if (answer.level !== undefined) this.#levels.set(flow, answer.level);
    if (!isPushback(answer)) return;
    const level = answer.level ?? flow;
    const until = this.#now() + (answer.retryAfterMs ?? 0);
    this.#closedUntil.set(level, Math.max(until, this.#closedUntil.get(level) ?? 0));
  }
}
