import { type Check, failed, passed, some, unknown } from "../outcome.ts";
import { agentsWith, provenByPods } from "./reports.ts";

/** Each pod runs with limits that are no laxer than the Tenant's. */
export const rateLimits: Check = {
  name: "RateLimits",
  decide(observed) {
    const proven = provenByPods(observed);
    if (!Array.isArray(proven)) return proven;
    const { limits } = observed.tenant.spec;
    const lax = proven.filter(
      ({ security: { limits: it } }) =>
        it.runsPerMinute > limits.runsPerMinute || it.concurrentRuns > limits.concurrentRuns,
    );
    const wanted = new Map(observed.agents.map((it) => [it.metadata.name, it.status.configRevision]));
    const current = agentsWith(lax, ({ agent, security }) => wanted.get(agent) === security.config);
    if (current.length > 0)
      return failed(
        "Laxer",
        `pods of ${some(current)} have laxer limits than the Tenant's spec.limits: restart them (kubectl rollout restart)`,
      );
    if (lax.length > 0) return unknown("RollingOut", "pods with the limits of before are being replaced");
    return passed(
      "Enforced",
      `each pod enforces ${limits.runsPerMinute} runs a minute and ${limits.concurrentRuns} at once, of all the tenant's users together, in the database`,
    );
  },
};
