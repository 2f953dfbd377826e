import { setTimeout as sleep } from "node:timers/promises";
import { tenantNamespace, type Tenant } from "../api/tenant.ts";
import type { KubernetesClient } from "../kubernetes/client.ts";
import { ApiError, ApiUnreachable } from "../kubernetes/errors.ts";
import { resourcePath, SECRET } from "../kubernetes/resource-kind.ts";
import type { Logger } from "../telemetry/log.ts";
import { apiKeySeen } from "./tenant/api-key.ts";

export interface ApiKeyWatchOptions {
  client: KubernetesClient;
  tenants(): readonly Tenant[];
  /** How soon a changed key is seen, in milliseconds, as long as there are few enough tenants for `perSecond`. */
  everyMs: number;
  /** Requests at most. */
  perSecond: number;
  /** The Tenant's key is another than its status says. Must not throw. */
  onChange(tenant: string): void;
  logger: Logger;
}

/** How long to wait between two requests, so that each tenant has its turn in time and the API server its peace. Pure. */
export const pauseMs = (tenants: number, everyMs: number, perSecond: number): number =>
  Math.max(1000 / perSecond, everyMs / Math.max(1, tenants));

/** Not for a first key: while there is none, the Tenant is not ready, and is looked at every few seconds anyway. */
const hasKey = ({ spec, metadata, status }: Tenant): boolean =>
  !spec.paused && !metadata.deletionTimestamp && status.apiKey !== undefined;

/**
 * Sees that somebody changed an API key, by reading the Secrets in turn from the API server's cache. A watch would need the right to
 * watch Secrets, and a connection for each tenant. It reads only. Only the leader runs it.
 */
export async function watchApiKeys(options: ApiKeyWatchOptions, signal: AbortSignal): Promise<void> {
  const { tenants, everyMs, perSecond, onChange, logger } = options;
  while (!signal.aborted) {
    const round = tenants().filter(hasKey);
    const pause = pauseMs(round.length, everyMs, perSecond);
    if (round.length === 0) await sleep(everyMs, undefined, { signal }).catch(() => {});
    for (const tenant of round) {
      if (signal.aborted) return;
      const changed = await isChanged(options.client, tenant).catch((error: unknown) => {
        if (!(error instanceof ApiError || error instanceof ApiUnreachable)) throw error;
        logger.debug({ tenant: tenant.metadata.name, err: error }, "an API key could not be looked at");
        return false;
      });
      if (changed) onChange(tenant.metadata.name);
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }
}

async function isChanged(client: KubernetesClient, tenant: Tenant): Promise<boolean> {
  const { name } = tenant.spec.anthropic.apiKeySecretRef;
  const secret = await client.request<{ data?: Record<string, string> }>(
    "GET",
    resourcePath(SECRET, tenantNamespace(tenant), name),
    { query: { resourceVersion: "0" } },
  );
  const seen = apiKeySeen(tenant, secret, new Date());
  return seen !== undefined && seen.fingerprint !== tenant.status.apiKey?.fingerprint;
}
