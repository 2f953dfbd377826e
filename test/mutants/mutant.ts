/** One wall of the product, taken away on purpose, and the tests that have to see it. */
export interface Mutant {
  /** What is so in the weakened build, as a sentence. */
  weakness: string;
  /** The file, from the repository's top. */
  file: string;
  /** Text of the file; it has to be there exactly once. */
  from: string;
  /** What stands there instead. */
  to: string;
  /** Each has to fail. */
  killedBy: Killer[];
}

export interface Killer {
  /** A test file, from the repository's top. */
  file: string;
  /** A part of the names of the tests that are run; left out: all of the file. */
  tests?: string;
}

/** The weakened file. @throws when the text to replace is gone, or there more than once: the mutant is to be written anew */
export function mutated(source: string, { file, from, to, weakness }: Mutant): string {
  const found = source.split(from).length - 1;
  if (found === 1) return source.replace(from, () => to);
  throw new Error(`${file}: the text of the mutant "${weakness}" is there ${found} times instead of once:\n${from}`);
}
