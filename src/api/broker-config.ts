import { z } from "zod";
import { tenantSpec } from "./tenant.ts";

/** The name of all that belongs to a tenant's key broker, and of its pods (`app.kubernetes.io/name`). */
export const BROKER = "agentpg-broker";

/** Whom the agents' tokens are for: the broker alone. The API server takes no token that is for somebody else. */
export const BROKER_AUDIENCE = "agentpg-broker";

/** Of an agent's token, in seconds: the least that Kubernetes gives. The kubelet brings a new one after four fifths of it. */
export const BROKER_TOKEN_SECONDS = 600;

/** The file with the token, in `AGENT_FILES.brokerToken`. */
export const BROKER_TOKEN_FILE = "token";

/** The file with the certificates of the tenant's broker, beside the token: agents trust these and no others. */
export const BROKER_CA_FILE = "ca.crt";

/** On an answer that the broker gives itself: why it refused the call ({@link BROKER_REFUSALS}). Answers of the endpoint have none. */
export const BROKER_REFUSAL_HEADER = "agentpg-refusal";

export const BROKER_REFUSALS = [
  /** The token is missing, or not valid here. */
  "token",
  /** Too many bad tokens from this address. */
  "attempts",
  /** There is no API key yet. */
  "no-key",
  /** The broker passes no such call on. */
  "path",
  /** The body is not what the call takes. */
  "body",
  "body-size",
  /** Not among the tenant's `allowedModels`. */
  "model",
  /** The tenant's budget has no room for the call. */
  "budget",
  /** It has for this call, but not for those under way too. */
  "budget-in-use",
  /** The database, which knows what is spent, cannot be reached. */
  "budget-unknown",
  /** The bodies of calls under way fill the broker's memory. */
  "busy",
  /** The endpoint cannot be reached. */
  "unreachable",
] as const;
export type BrokerRefusal = (typeof BROKER_REFUSALS)[number];

/** All that a tenant's key broker has to know, apart from secrets: the contents of its `broker.json`. */
export const brokerConfig = z.object({
  tenant: z.object({ name: z.string(), uid: z.string(), namespace: z.string() }),
  /** The `iss` of the cluster's service-account tokens. */
  issuer: z.string(),
  allowedModels: tenantSpec.shape.anthropic.shape.allowedModels,
  budget: tenantSpec.shape.budget,
  /** Where the Messages API is; left out: Anthropic's own. */
  anthropicBaseUrl: z.string().optional(),
});
export type BrokerConfig = z.infer<typeof brokerConfig>;
