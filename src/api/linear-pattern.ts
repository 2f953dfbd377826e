import { setFlagsFromString } from "node:v8";

// V8's automaton engine: its time grows with the text's length alone, so that no input of a model can hold a process up.
setFlagsFromString("--enable-experimental-regexp-engine");
const LINEAR = "l";

/**
 * A pattern that the whole text has to fit, matched in linear time.
 * @throws SyntaxError for what is no regular expression, and for what takes more than linear time: look-around,
 *   back-references, repetitions beyond {0,16}
 */
export const linearPattern = (pattern: string): RegExp => {
  new RegExp(pattern); // alone, so that a stray parenthesis cannot close the group below
  return new RegExp(`^(?:${pattern})$`, LINEAR);
};

/** A pattern that a part of the text has to fit, matched in linear time. @throws SyntaxError as linearPattern does */
export const searchingPattern = (pattern: string): RegExp => new RegExp(pattern, LINEAR);
