import type { Agent } from "../../api/agent.ts";
import { hasBroker, type Tenant } from "../../api/tenant.ts";
import type { Problem } from "./validate.ts";

const conditionOf = (tenant: Tenant, type: string) => tenant.status.conditions?.find((it) => it.type === type);

/** What the Agent's pods lack of their Tenant to log in with. */
export function credentialsProblem(tenant: Tenant): Problem | undefined {
  const found = conditionOf(tenant, "CredentialsReady");
  if (found?.status === "True") return undefined;
  if (found?.status === "False") return { reason: found.reason, message: found.message };
  return { reason: "TenantNotReady", message: `Tenant ${tenant.metadata.name} is not ready yet: ${lookAt(tenant)}` };
}

/** A pod that should encrypt and has no key yet would wait, until its startup probe ends it: it is not started before. */
export function transcriptKeysProblem(agent: Agent, tenant: Tenant): Problem | undefined {
  if (!agent.spec.dataProtection.encryptTranscripts) return undefined;
  const found = conditionOf(tenant, "EncryptionReady");
  if (found?.status === "True") return undefined;
  if (found?.status === "False") return { reason: found.reason, message: found.message };
  return { reason: "EncryptionNotReady", message: `the tenant's data key is not published yet: ${lookAt(tenant)}` };
}

/** A pod that is to reach the model through the key broker is not started before that answers; pods that run go on. */
export function brokerProblem(tenant: Tenant): Problem | undefined {
  if (!hasBroker(tenant)) return undefined;
  const found = conditionOf(tenant, "BrokerReady");
  if (found?.status === "True") return undefined;
  if (found?.status === "False") return { reason: found.reason, message: found.message };
  return { reason: "BrokerNotReady", message: `the tenant's key broker does not answer yet: ${lookAt(tenant)}` };
}

const lookAt = ({ metadata }: Tenant): string => `see \`kubectl describe tenant ${metadata.name}\``;
