/** Whose runs this process started last: who was served longest ago comes first among equals. */
export class ServedUsers {
  readonly #most: number;
  readonly #order = new Map<string, number>();
  #count = 0;

  /** @param most users that are remembered; the others count as never served */
  constructor(most = 200) {
    this.#most = most;
  }

  serve(user: string): void {
    this.#order.delete(user);
    this.#order.set(user, ++this.#count);
    const [oldest] = this.#order.keys();
    if (this.#order.size > this.#most && oldest !== undefined) this.#order.delete(oldest);
  }

  /** By user; the larger, the later. */
  get order(): Record<string, number> {
    return Object.fromEntries(this.#order);
  }
}
