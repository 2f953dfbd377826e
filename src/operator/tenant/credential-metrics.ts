import { Gauge, type Registry } from "prom-client";
import type { Tenant } from "../../api/tenant.ts";

/** Ages and rotations of the tenants' passwords, as their status tells; one series a Tenant. */
export function observeCredentials(registry: Registry, tenants: () => readonly Tenant[]): void {
  const seconds = (time: string) => (Date.now() - Date.parse(time)) / 1000;
  new Gauge({
    name: "agentpg_tenant_password_age_seconds",
    help: "Age of the tenant's database password, in seconds.",
    labelNames: ["tenant"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { metadata, status } of tenants())
        if (status.passwordChangedAt) this.set({ tenant: metadata.name }, seconds(status.passwordChangedAt));
    },
  });
  new Gauge({
    name: "agentpg_tenant_rotation_seconds",
    help: "How long a change of the tenant's database password has been under way, in seconds, by its step (Opening, Draining, Closing); absent when none is.",
    labelNames: ["tenant", "step"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { metadata, status } of tenants())
        if (status.rotation)
          this.set({ tenant: metadata.name, step: status.rotation.step }, seconds(status.rotation.startedAt));
    },
  });
}
