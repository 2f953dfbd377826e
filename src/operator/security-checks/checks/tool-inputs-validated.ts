import { type Check, failed, passed, some } from "../outcome.ts";
import { agentsWith, provenByPods } from "./reports.ts";

/** Each tool of each pod refuses an input that its schema does not allow, before the tool runs. */
export const toolInputsValidated: Check = {
  name: "ToolInputsValidated",
  decide(observed) {
    const proven = provenByPods(observed);
    if (!Array.isArray(proven)) return proven;
    const lax = agentsWith(proven, ({ security: { tools } }) => tools.refusing < tools.all);
    if (lax.length > 0)
      return failed(
        "NotRefused",
        `tools of ${some(lax)} take an input that is no object: their schema must have type object`,
      );
    return passed(
      "Refused",
      "each pod gave each of its tools an input that is no object, and the tool's compiled schema refused it",
    );
  },
};
