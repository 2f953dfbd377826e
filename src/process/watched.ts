/**
 * A value that is read again and again, for example from a mounted Secret. While it cannot be read, or is empty, the last good
 * value stays in use: a Secret that vanishes never becomes an empty password.
 */
export class Watched<T> {
  readonly #read: () => Promise<T>;
  readonly #everyMs: number;
  readonly #listeners: ((value: T) => void)[] = [];
  readonly #problemListeners: ((problem: Error) => void)[] = [];
  #value: T | undefined;
  #seen = "";
  #problem: Error | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param read gives the value now; throws when it is missing, empty or wrong */
  constructor(read: () => Promise<T>, everyMs = 1000) {
    this.#read = read;
    this.#everyMs = everyMs;
  }

  /** The last good value. */
  get value(): T | undefined {
    return this.#value;
  }

  /** Why the last read failed; undefined when it did not. */
  get problem(): Error | undefined {
    return this.#problem;
  }

  /** Hears of each new good value; must not throw. */
  onChange(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }

  /** Hears of a problem once, as long as it says the same; must not throw. */
  onProblem(listener: (problem: Error) => void): void {
    this.#problemListeners.push(listener);
  }

  /** Reads now; never throws. */
  async refresh(): Promise<T | undefined> {
    try {
      const value = await this.#read();
      this.#problem = undefined;
      const seen = JSON.stringify(value);
      if (seen === this.#seen) return this.#value;
      this.#seen = seen;
      this.#value = value;
      for (const listener of this.#listeners) listener(value);
    } catch (error) {
      const before = this.#problem;
      const problem = error as Error;
      this.#problem = problem;
      if (problem.message !== before?.message) for (const listener of this.#problemListeners) listener(problem);
    }
    return this.#value;
  }

  async start(): Promise<this> {
    await this.refresh();
    const again = async () => {
      await this.refresh();
      if (this.#timer) this.#timer = setTimeout(again, this.#everyMs).unref();
    };
    this.#timer = setTimeout(again, this.#everyMs).unref();
    return this;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
