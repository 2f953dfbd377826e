import { BROKER, type BrokerConfig, brokerConfig } from "../../../../api/broker-config.ts";
import { tenantNamespace, type Tenant } from "../../../../api/tenant.ts";
import { contentHash } from "../../../../kubernetes/apply.ts";
import { CONFIG_MAP } from "../../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../../config.ts";
import { owned } from "../../../owned-object.ts";
import { brokerMetadata } from "./names.ts";

/** All that the tenant's key broker has to know, apart from secrets. */
export function brokerConfigOf(tenant: Tenant, issuer: string, { model }: OperatorConfig): BrokerConfig {
  const { metadata, spec } = tenant;
  return brokerConfig.parse({
    tenant: { name: metadata.name, uid: metadata.uid, namespace: tenantNamespace(tenant) },
    issuer,
    allowedModels: spec.anthropic.allowedModels,
    budget: spec.budget,
    anthropicBaseUrl: model.baseUrl,
  });
}

/** Named by its content: a changed one is a new one, and a rolling update. */
export const brokerConfigMap = (tenant: Tenant, config: BrokerConfig) =>
  owned(CONFIG_MAP, {
    metadata: brokerMetadata(tenant, `${BROKER}-${contentHash(config).slice(0, 10)}`),
    immutable: true,
    data: { "broker.json": JSON.stringify(config) },
  });
