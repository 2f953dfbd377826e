import { isClean, kindsIn, type Protection } from "../pii/protection.ts";
import { whereOf } from "../pii/hooks.ts";
import { Problem } from "./problems.ts";

/** The refusal of a field. @param what kinds, and places where they can be told; never values */
export const personalData = (field: string, what: string) =>
  new Problem(
    422,
    `${field.slice(2)}: it holds personal data, which this agent does not take: ${what}`,
    {},
    { code: "personal-data", field },
  );

/** A text from a caller, as the agent's policy lets it be stored. @throws Problem 422 under Block */
export function cleanText(protection: Protection, field: string, text: string): string {
  const { value, counts } = protection.text(text);
  if (protection.policy === "Block" && !isClean(counts)) throw personalData(field, whereOf(protection.findings(text)));
  return value;
}

/** A JSON value from a caller, as the agent's policy lets it be stored. @throws Problem 422 under Block */
export function cleanJson<T>(protection: Protection, field: string, json: T): T {
  const { value, counts } = protection.json(json);
  if (protection.policy === "Block" && !isClean(counts)) throw personalData(field, kindsIn(counts));
  return value;
}
