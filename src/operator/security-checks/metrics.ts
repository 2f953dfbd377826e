import { Gauge, type Registry } from "prom-client";
import type { Tenant } from "../../api/tenant.ts";

/** The rows of all Tenants as their status has them, and the age of their API keys. */
export function observeSecurityChecks(registry: Registry, tenants: () => readonly Tenant[]): void {
  new Gauge({
    name: "agentpg_security_check",
    help: "A security check of a tenant: 1 passed, 0 failed. Absent while it is Unknown.",
    labelNames: ["tenant", "check"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { metadata, status } of tenants())
        for (const { name, status: outcome } of status.securityChecks ?? [])
          if (outcome !== "Unknown") this.set({ tenant: metadata.name, check: name }, outcome === "Passed" ? 1 : 0);
    },
  });
  new Gauge({
    name: "agentpg_api_key_age_seconds",
    help: "How long the operator has known the tenant's Anthropic API key, in seconds.",
    labelNames: ["tenant"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { metadata, status } of tenants())
        if (status.apiKey) this.set({ tenant: metadata.name }, (Date.now() - Date.parse(status.apiKey.since)) / 1000);
    },
  });
}
