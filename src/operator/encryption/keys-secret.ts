import { type DataKeys, dataKeyFiles } from "../../database/encryption/data-keys.ts";
import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import { SECRET } from "../../kubernetes/resource-kind.ts";
import { tenantLabels } from "../labels.ts";
import { owned } from "../owned-object.ts";
import { TRANSCRIPT_KEYS_SECRET } from "../shared-names.ts";

/** The tenant's data keys, as its pods mount them. */
export const transcriptKeysSecret = (tenant: Tenant, keys: DataKeys) =>
  owned(SECRET, {
    metadata: { name: TRANSCRIPT_KEYS_SECRET, namespace: tenantNamespace(tenant), labels: tenantLabels(tenant) },
    type: "Opaque",
    data: Object.fromEntries(
      Object.entries(dataKeyFiles(keys)).map(([name, text]) => [name, Buffer.from(text).toString("base64")]),
    ),
  });
