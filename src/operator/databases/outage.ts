/** How long callers wait for the answer together before they are told at once, in milliseconds: a restart is no outage yet. */
const PATIENCE_MS = 1_000;
/** How long nobody asks again after that, in milliseconds. */
const PAUSE_MS = 1_000;
/** As many calls under way as may be, and none that ended for so long, in milliseconds: it is asked whether the server is there at all. */
const SILENCE_MS = 5_000;

/**
 * While a server does not answer, one caller asks it, and the others are told what the last one was told: what waits for it must not
 * hold up what another server could do.
 */
export class Outage {
  #error: Error | undefined;
  #since = 0;
  #notBefore = 0;
  #asking: Promise<void> | undefined;
  /** Calls under way; more wait for one of them to end, unless the server is proved to be there. */
  readonly #room: number;
  #underWay = 0;
  #lastEnd = 0;
  readonly #waiting = new Set<() => void>();

  /** @param room Infinity: nobody has to be kept from waiting for this server */
  constructor(room = Infinity) {
    this.#room = room;
  }

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
      for (const go of this.#waiting) go();
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
    while (!this.#error && this.#isCrowded() && !this.#isSilent()) await this.#anEnd();
    if (!this.#error && !this.#isCrowded()) return;
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

  #isCrowded(): boolean {
    return this.#underWay >= this.#room;
  }

  /** A server that hangs fails nothing for a minute. What takes its time is no sign of it, so this is only a reason to ask. */
  #isSilent(): boolean {
    return Date.now() - this.#lastEnd >= SILENCE_MS;
  }

  /** Until a call ends, or none has for so long that it is worth a question. */
  #anEnd(): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        this.#waiting.delete(go);
        resolve();
      };
      const timer = setTimeout(go, Math.max(1, this.#lastEnd + SILENCE_MS - Date.now()));
      this.#waiting.add(go);
    });
  }

  #isLong(): boolean {
    return Date.now() - this.#since > PATIENCE_MS;
  }
}
