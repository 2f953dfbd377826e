import { Places } from "../../process/places.ts";
import { Problem } from "./problem.ts";

/** Lets a few at a time at something, and a few more wait: people who look must not take the connections of the operator's own work. */
export class Turns {
  readonly #places: Places;
  readonly #mostWaiting: number;

  constructor(atOnce: number, mostWaiting: number) {
    this.#places = new Places(atOnce);
    this.#mostWaiting = mostWaiting;
  }

  /** @throws Problem 503 when too many wait */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#places.waiting >= this.#mostWaiting)
      throw new Problem(503, "busy", "too many people look at the same time", "try again in a moment", {
        "retry-after": "2",
      });
    return this.#places.with(work);
  }
}
