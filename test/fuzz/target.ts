import type { Random } from "../support/random.ts";

/** Something that takes what anybody may send. */
export interface Target {
  name: string;
  /** Makes an input and feeds it. @throws when what came of it must not be; @returns what came of it, in a word */
  feed(random: Random): string | Promise<string>;
  /** All that has to come of it at some time: a fuzzer whose inputs all end at the first look finds nothing. */
  expected: readonly string[];
  close(): void;
}
