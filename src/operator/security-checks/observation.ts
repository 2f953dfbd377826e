import type { Agent } from "../../api/agent.ts";
import type { Tenant } from "../../api/tenant.ts";
import type { CrossTenantProbe } from "../../database/security/cross-tenant-probe.ts";
import type { DatabaseSecurity } from "../../database/security/observe.ts";
import type { AuditLook } from "./audit-look.ts";
import type { DocumentKind } from "./checks/documents.ts";
import type { LivePolicy } from "./live-policy.ts";
import type { PodManifest } from "./pod-manifest.ts";

/** A text that is not an object's own: of a ConfigMap that an Agent names. */
export interface NamedText {
  where: string;
  text: string;
}

export type SecurityDocuments = { [kind in DocumentKind]?: { date: string; place: string } | undefined };

/** Could not be found out, and why. */
export interface Unseen {
  unseen: string;
}

/** All that one look at a tenant sees; each check decides on this alone. */
export interface Observation {
  now: Date;
  tenant: Tenant;
  agents: readonly Agent[];
  /** Contents of the ConfigMaps that Agents take their prompt and modules from. */
  texts: readonly NamedText[];
  /** The pods of the tenant's namespace, whoever made them. */
  pods: readonly PodManifest[] | Unseen;
  database: DatabaseSecurity | Unseen;
  audit: AuditLook | Unseen;
  probe: CrossTenantProbe | Unseen;
  policies: readonly LivePolicy[] | Unseen;
  /** Documents that somebody says there are. */
  documents: SecurityDocuments;
  /** RFC 3339. */
  lastRetention: string | undefined;
  retentionIntervalMs: number;
  /** When the operator's metrics were last collected, in milliseconds since the epoch. */
  lastScrape: number | undefined;
}

export const isUnseen = (it: object): it is Unseen => "unseen" in it;
