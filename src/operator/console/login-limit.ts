const MINUTE_MS = 60_000;

/** Counts tokens that were refused, by address and of all together, in windows of a minute. Only what fails counts. */
export class LoginLimit {
  readonly #perAddress: number;
  readonly #inAll: number;
  readonly #now: () => number;
  #began = 0;
  #all = 0;
  #failures = new Map<string, number>();

  constructor(perAddress = 10, inAll = 200, now: () => number = () => performance.now()) {
    this.#perAddress = perAddress;
    this.#inAll = inAll;
    this.#now = now;
    this.#began = now();
  }

  failed(address: string): void {
    this.#turn();
    this.#all++;
    this.#failures.set(address, (this.#failures.get(address) ?? 0) + 1);
  }

  /** Seconds until the address may try again; undefined: it may now. */
  blockedFor(address: string): number | undefined {
    this.#turn();
    const blocked = this.#all >= this.#inAll || (this.#failures.get(address) ?? 0) >= this.#perAddress;
    return blocked ? Math.ceil((this.#began + MINUTE_MS - this.#now()) / 1000) : undefined;
  }

  #turn(): void {
    if (this.#now() - this.#began < MINUTE_MS) return;
    this.#began = this.#now();
    this.#all = 0;
    this.#failures.clear();
  }
}
