/** How long callers wait for the answer together before they are told at once, in milliseconds: a restart is no outage yet. */
const PATIENCE_MS = 1_000;
/** How long nobody asks again after that, in milliseconds. */
const PAUSE_MS = 1_000;
/** So many calls under way, and none that ended for so long, in milliseconds: it is asked whether the server is there at all. */
const SUSPICIOUS = { calls: 2, silenceMs: 5_000 };

/**
 * While a server does not answer, one caller asks it, and the others are told what the last one was told: what waits for it must not
 * hold up what another server could do.
 */
export class Outage {
  #error: Error | undefined;
  #since = 0;
  #notBefore = 0;
  #asking: Promise<void> | undefined;
  #underWay = 0;
  #lastEnd = 0;

  get isThere(): boolean {
    return this.#error !== undefined;
  }

  /** Counts a call from its begin to its end. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    if (this.#underWay === 0) this.#lastEnd = Date.now();
    this.#underWay++;
    try {
      return await call();
    } finally {
      this.#underWay--;
      this.#lastEnd = Date.now();
    }
  }

  /** A call failed because the server could not be reached. */
  begin(error: Error): void {
    if (!this.#error) this.#since = Date.now();
    else if (this.#isLong()) this.#notBefore = Date.now() + PAUSE_MS;
    this.#error = error;
  }

  /** Returns when the server is there, as far as is known. @param ask throws while it is not */
  async over(ask: () => Promise<void>): Promise<void> {
    if (!this.#error && !this.#isSilent()) return;
    if (this.#error && this.#isLong() && (this.#asking || Date.now() < this.#notBefore)) throw this.#error;
    this.#asking ??= ask()
      .then(() => {
        this.#error = undefined;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    await this.#asking;
  }

  /** A server that hangs fails nothing for a minute. What takes its time is no sign of it, so this is only a reason to ask. */
  #isSilent(): boolean {
    return this.#underWay >= SUSPICIOUS.calls && Date.now() - this.#lastEnd > SUSPICIOUS.silenceMs;
  }

  #isLong(): boolean {
    return Date.now() - this.#since > PATIENCE_MS;
  }
}
