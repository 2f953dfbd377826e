import { type Check, passed, some, unknown } from "../outcome.ts";

/** Personal data is looked for in what is said. Off is a choice, and no failure. */
export const piiPolicy: Check = {
  name: "PiiPolicy",
  decide({ agents }) {
    if (agents.length === 0) return unknown("NoAgents", "the tenant has no Agents");
    const off = agents.filter((it) => it.spec.dataProtection.pii === "Off").map((it) => it.metadata.name);
    if (off.length > 0)
      return unknown(
        "Off",
        `Agents ${some(off)} have dataProtection.pii: Off, and nothing is filtered: set Redact or Block, unless that is what you want`,
      );
    return passed("On", "all Agents have dataProtection.pii: Redact or Block");
  },
};
