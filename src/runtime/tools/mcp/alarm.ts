const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/** Pauses that can be cut short, but never to less than a least time: however often someone asks for it. */
export class Alarm {
  readonly #leastMs: number;
  #rung = Promise.withResolvers<void>();

  constructor(leastMs: number) {
    this.#leastMs = leastMs;
  }

  ring(): void {
    this.#rung.resolve();
  }

  async pause(ms: number): Promise<void> {
    const least = Math.min(this.#leastMs, ms);
    await sleep(least);
    await Promise.race([sleep(ms - least), this.#rung.promise]);
    this.#rung = Promise.withResolvers();
  }
}
