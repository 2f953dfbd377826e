import type { Tenant } from "../../api/tenant.ts";
import { CANARY_LABEL } from "../labels.ts";
import type { KnownTenant } from "./coordinator.ts";

/** The Tenants that get as far as their database. Others, paused or without their namespace, must not hold a rollout up. */
export const knownTenants = (tenants: readonly Tenant[]): KnownTenant[] =>
  tenants
    .filter(({ spec, metadata, status }) => !spec.paused && !metadata.deletionTimestamp && !lacksNamespace(status))
    .map(({ metadata: { uid, name, labels, creationTimestamp } }) => ({
      uid,
      name,
      createdAt: new Date(creationTimestamp ?? 0).getTime(),
      canary: labels[CANARY_LABEL] === "true",
    }));

const lacksNamespace = ({ conditions = [] }: Tenant["status"]): boolean =>
  conditions.some(({ type, status }) => type === "NamespaceReady" && status === "False");
