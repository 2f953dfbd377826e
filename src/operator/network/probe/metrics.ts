import { Gauge, type Registry } from "prom-client";
import type { Enforcement } from "./verdict.ts";

export interface ProbeSource {
  enforcement(): Enforcement | undefined;
  probedAt(): Date | undefined;
}

/** What the last network probe saw; absent where none found anything out. */
export function observeNetworkProbe(registry: Registry, source: () => ProbeSource | undefined): void {
  const known = () => {
    const seen = source()?.enforcement();
    return seen?.state === "NotProbed" ? undefined : seen;
  };
  new Gauge({
    name: "agentpg_network_policy_enforced",
    help: "Whether this cluster enforces NetworkPolicy, as the last probe's packets saw: 1 yes, 0 no. Absent while that is not known.",
    registers: [registry],
    collect() {
      this.reset();
      const seen = known();
      if (seen) this.set(seen.state === "Enforced" ? 1 : 0);
      else this.remove();
    },
  });
  new Gauge({
    name: "agentpg_network_probe_timestamp_seconds",
    help: "When the network was last probed with a result, in seconds since the epoch.",
    registers: [registry],
    collect() {
      const at = source()?.probedAt();
      if (known() && at) this.set(at.getTime() / 1000);
      else this.remove();
    },
  });
}
