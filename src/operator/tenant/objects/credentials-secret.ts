import { DATABASE_FILES } from "../../../api/agent-config.ts";
import { tenantNamespace, type Tenant } from "../../../api/tenant.ts";
import { SECRET } from "../../../kubernetes/resource-kind.ts";
import { tenantLabels } from "../../labels.ts";
import { owned } from "../../owned-object.ts";
import { DATABASE_SECRET } from "../../shared-names.ts";

/** What one login needs to reach the tenant's schema. */
export interface DatabaseCredentials {
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
  schema: string;
  ca: string | undefined;
  insecure: boolean;
  /** What is at that address. */
  pooler: "None" | "Transaction";
  /** Names this pair of user and password; pods report it back. */
  revision: string;
}

export const credentialsSecret = (tenant: Tenant, it: DatabaseCredentials) =>
  owned(SECRET, {
    metadata: { name: DATABASE_SECRET, namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    type: "Opaque",
    data: Object.fromEntries(
      Object.entries({
        [DATABASE_FILES.host]: it.host,
        [DATABASE_FILES.port]: String(it.port),
        [DATABASE_FILES.database]: it.database,
        [DATABASE_FILES.user]: it.user,
        [DATABASE_FILES.password]: it.password,
        [DATABASE_FILES.schema]: it.schema,
        [DATABASE_FILES.sslMode]: it.insecure ? "disable" : "verify-full",
        [DATABASE_FILES.ca]: it.ca ?? "",
        [DATABASE_FILES.revision]: it.revision,
        [DATABASE_FILES.pooler]: it.pooler,
      }).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
    ),
  });

/** User and password of a Secret of {@link credentialsSecret}, or undefined when one is missing or empty. The revision is never believed. */
export function readCredentials(
  secret: { data?: Record<string, string>; [more: string]: unknown } | undefined,
): { user: string; password: string } | undefined {
  const read = (key: string) => Buffer.from(secret?.data?.[key] ?? "", "base64").toString();
  const found = { user: read(DATABASE_FILES.user), password: read(DATABASE_FILES.password) };
  return found.user && found.password ? found : undefined;
}
