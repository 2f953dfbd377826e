import type { Agent } from "../../api/agent.ts";
import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import type { TenantDatabase } from "../../database/tenants.ts";
import { DatabaseError } from "../../database/errors.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { ApiError, ApiUnreachable } from "../../kubernetes/errors.ts";
import * as kinds from "../../kubernetes/resource-kind.ts";
import type { Caches } from "../caches.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import { DATABASE_SECRET } from "../shared-names.ts";
import { found } from "../found.ts";
import { readCredentials } from "../tenant/objects/credentials-secret.ts";
import { auditLook } from "./audit-look.ts";
import type { LivePolicy } from "./live-policy.ts";
import type { NamedText, Observation, SecurityDocuments, Unseen } from "./observation.ts";
import type { PodManifest } from "./pod-manifest.ts";

export interface GatherDependencies {
  client: KubernetesClient;
  caches: Caches;
  databases: DatabaseServers;
  documents: SecurityDocuments;
  retention: { status(uid: string): { lastRunAt: string } | undefined };
  retentionIntervalMs: number;
  lastScrape(): number | undefined;
}

/** What cannot be seen makes its rows Unknown, not the whole look fail. @throws StaleEpoch, and what is a fault of the program */
async function orUnseen<T>(look: Promise<T>): Promise<T | Unseen> {
  try {
    return await look;
  } catch (error) {
    const isOutage = error instanceof ApiError || error instanceof ApiUnreachable || error instanceof DatabaseError;
    if (!isOutage || (error instanceof DatabaseError && error.reason === "StaleEpoch")) throw error;
    return { unseen: error.message.slice(0, 512) };
  }
}

/** The ConfigMaps that Agents take texts from, each once. */
async function textsOf(client: KubernetesClient, namespace: string, agents: readonly Agent[]): Promise<NamedText[]> {
  const names = new Set(
    agents.flatMap(({ spec }) => [
      ...(spec.systemPromptFrom ? [spec.systemPromptFrom.configMapKeyRef.name] : []),
      ...spec.modules.map((it) => it.configMapKeyRef.name),
    ]),
  );
  const texts: NamedText[] = [];
  for (const name of names) {
    const map = await found(client.get<{ data?: Record<string, string> }>(kinds.CONFIG_MAP, name, namespace));
    for (const [key, text] of Object.entries(map?.data ?? {}))
      texts.push({ where: `ConfigMap ${name} data.${key}`, text });
  }
  return texts;
}

/** Logs in as the tenant, with what is published for its pods. */
async function probe({ client }: GatherDependencies, database: TenantDatabase, tenant: Tenant) {
  const login = readCredentials(await found(client.get(kinds.SECRET, DATABASE_SECRET, tenantNamespace(tenant))));
  if (!login) return { unseen: `Secret ${DATABASE_SECRET} is not published yet: see the condition CredentialsReady` };
  return database.security.probe({ uid: tenant.metadata.uid }, login);
}

/** What the look before leaves to the next one. */
export interface Before {
  probe: Observation["probe"] | undefined;
  audit: { isBroken: boolean; next: number };
}

/** Everything that the checks decide on, in a handful of requests and statements. @throws StaleEpoch */
export async function gather(
  deps: GatherDependencies,
  tenant: Tenant,
  before: Before,
  signal: AbortSignal,
): Promise<Observation> {
  const { client, caches, databases } = deps;
  const namespace = tenantNamespace(tenant);
  const agents = caches.agentsOfNamespace(namespace);
  const { uid } = tenant.metadata;
  const onServer = async <T>(look: (database: TenantDatabase, epoch: number) => Promise<T>): Promise<T> =>
    databases.of(tenant).use(look);
  const texts = await orUnseen(textsOf(client, namespace, agents));
  return {
    now: new Date(),
    tenant,
    agents,
    texts: Array.isArray(texts) ? texts : [],
    pods: await orUnseen(client.list<PodManifest>(kinds.POD, namespace)),
    database: await orUnseen(onServer((it) => it.security.observe({ uid }))),
    audit: await orUnseen(onServer((it, epoch) => auditLook(it, uid, epoch, before.audit, signal))),
    policies: await orUnseen(client.list<LivePolicy>(kinds.NETWORK_POLICY, namespace)),
    documents: deps.documents,
    lastRetention: (deps.retention.status(uid) ?? tenant.status.retention)?.lastRunAt,
    retentionIntervalMs: deps.retentionIntervalMs,
    lastScrape: deps.lastScrape(),
    probe: before.probe ?? (await orUnseen(onServer((it) => probe(deps, it, tenant)))),
  };
}
