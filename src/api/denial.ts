import { z } from "zod";

/** In characters: a sentence or ten, which the model reads. */
const LONGEST = 2000;

/** Why a person denied a tool call, in their words; empty: they did not say. */
export const denialReason = z.string("must be a text").trim().max(LONGEST, `must have ${LONGEST} characters at most`);

const BEFORE = "A person denied this call";
const AFTER = ". It was not made.";

/** What the model reads as the result of a call that was denied. */
export const denialText = (reason = ""): string => `${BEFORE}${reason ? `: ${reason}` : ""}${AFTER}`;

/** The reason in a {@link denialText}, which is the only place where it is kept; null: none was given, or this is something else. */
export function reasonInDenial(text: string): string | null {
  const head = `${BEFORE}: `;
  return text.startsWith(head) && text.endsWith(AFTER) ? text.slice(head.length, -AFTER.length) || null : null;
}
