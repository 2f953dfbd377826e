import type { ContentBlock } from "../../database/runs/run.ts";
import { isPlainText } from "./content.ts";

/** Characters that are kept, all contents together. */
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** The same for a content as the model gave it and as the database gives it back, with its keys in another order. */
const keyOf = (content: ContentBlock[]): string =>
  content.every(isPlainText) ? content.map((it) => String(it.text)).join("\u0000") : JSON.stringify(content);

/** Contents in which nothing was found: a conversation comes again with each of its runs, and need not be looked through again. */
export class CleanContents {
  readonly #known = new Set<string>();
  #characters = 0;

  has(content: ContentBlock[]): boolean {
    return this.#known.has(keyOf(content));
  }

  add(content: ContentBlock[]): void {
    const key = keyOf(content);
    if (key.length > MOST_CHARACTERS / 8 || this.#known.has(key)) return;
    this.#known.add(key);
    this.#characters += key.length;
    for (const oldest of this.#known) {
      if (this.#characters <= MOST_CHARACTERS) return;
      this.#known.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
