import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, some, unknown } from "../outcome.ts";

/** Personal data is looked for in what is said. Off is a choice, and no failure. */
export const piiPolicy: Check = {
  name: "PiiPolicy",
  decide({ agents, database }) {
    if (agents.length === 0) return unknown("NoAgents", "the tenant has no Agents");
    const wanted = new Map(agents.map((it) => [it.metadata.name, it]));
    const reports = isUnseen(database) ? [] : database.reports;
    const lax = reports.filter(({ agent, security }) => {
      const it = wanted.get(agent);
      const isCurrent = security?.config === it?.status.configRevision;
      return it && isCurrent && it.spec.dataProtection.pii !== "Off" && security?.pii === "Off";
    });
    if (lax.length > 0)
      return failed(
        "NotFiltered",
        `pods of ${some([...new Set(lax.map((it) => it.agent))])} filter nothing, though their Agent asks for it: restart them (kubectl rollout restart)`,
      );
    const off = agents.filter((it) => it.spec.dataProtection.pii === "Off").map((it) => it.metadata.name);
    if (off.length > 0)
      return unknown(
        "Off",
        `Agents ${some(off)} have dataProtection.pii: Off, and nothing is filtered: set Redact or Block, unless that is what you want`,
      );
    return passed("On", "all Agents have dataProtection.pii: Redact or Block, and no pod of theirs says otherwise");
  },
};
