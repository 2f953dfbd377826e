import { type Check, failed, passed, some, unknown } from "../outcome.ts";
import { agentsWith, provenByPods } from "./reports.ts";

/** An error's inside does not leave a pod. */
export const errorsRedacted: Check = {
  name: "ErrorsRedacted",
  decide(observed) {
    const proven = provenByPods(observed);
    if (!Array.isArray(proven)) return proven;
    const leaking = agentsWith(proven, ({ security }) => security.errorsRedacted === false);
    if (leaking.length > 0)
      return failed(
        "Leaks",
        `pods of ${some(leaking)} answer an error with its inside: report it (SECURITY.md), and go back to the version before`,
      );
    if (proven.some(({ security }) => security.errorsRedacted === null))
      return unknown("Starting", "a pod has just started");
    return passed(
      "Redacted",
      "each pod sent itself a request that fails with a planted message, path and password, and got a problem document with none of them",
    );
  },
};
