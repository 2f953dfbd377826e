import { setTimeout as sleep } from "node:timers/promises";
import { tenant as tenantSchema, type Tenant } from "../api/tenant.ts";
import { KubernetesClient } from "../kubernetes/client.ts";
import { TENANT } from "../operator/caches.ts";
import { ROTATE_ANNOTATION } from "../operator/labels.ts";
import { type ClusterOptions, openConfig } from "./open-config.ts";
import { table } from "./table.ts";

export interface RotateOptions extends ClusterOptions {
  all?: boolean;
  /** false: ask and end. */
  wait: boolean;
  /** Seconds that a rotation is waited for; the operator goes on afterwards all the same. */
  timeout: number;
}

const LOOK_MS = 1_000;

/** `agentpg rotate`: asks the operator for new database passwords, and shows how far it is. Gives 0 when all are changed. */
export async function rotate(names: string[], options: RotateOptions): Promise<number> {
  if (names.length === 0 && !options.all) throw new Error("name the Tenants whose password to change, or say --all");
  if (names.length > 0 && options.all) throw new Error("name Tenants, or say --all: not both");
  const config = openConfig(options);
  try {
    const client = new KubernetesClient(config);
    const chosen = choose(await tenants(client), names);
    const request = new Date().toISOString();
    for (const name of chosen)
      await client.mergePatch(TENANT, name, undefined, { metadata: { annotations: { [ROTATE_ANNOTATION]: request } } });
    if (options.wait) return await watch(client, chosen, request, options.timeout);
    say(chosen.map((name) => [name, "asked for"]));
    return 0;
  } finally {
    await config.close();
  }
}

const tenants = async (client: KubernetesClient): Promise<Tenant[]> =>
  (await client.list<object>(TENANT)).map((it) => tenantSchema.parse(it));

/** @throws Error before anything is asked for, when one of them could not be rotated */
function choose(all: Tenant[], names: string[]): string[] {
  const missing = names.find((name) => !all.some((it) => it.metadata.name === name));
  if (missing) throw new Error(`there is no Tenant ${missing}: \`kubectl get tenants\` lists them`);
  const chosen = all.filter((it) => names.length === 0 || names.includes(it.metadata.name));
  if (chosen.length === 0) throw new Error("there is no Tenant in this cluster");
  const refusal = names.length > 0 ? chosen.map(whyNot).find((it) => it !== undefined) : undefined;
  if (refusal) throw new Error(refusal);
  return chosen.filter((it) => whyNot(it) === undefined).map((it) => it.metadata.name);
}

function whyNot({ metadata, spec, status }: Tenant): string | undefined {
  const { name } = metadata;
  if (metadata.deletionTimestamp) return `Tenant ${name} is being deleted: it gets no new password`;
  if (spec.paused) return `Tenant ${name} is paused, the operator leaves it alone: set spec.paused to false first`;
  if (!status.credentialsRevision)
    return `Tenant ${name} has no password yet: \`kubectl describe tenant ${name}\` says why`;
  return undefined;
}

/** Writes a line whenever one of them has moved. */
async function watch(client: KubernetesClient, names: string[], request: string, timeout: number): Promise<number> {
  const begun = Date.now();
  const said = new Map<string, string>();
  const waiting = new Set(names);
  for (;;) {
    const found = new Map((await tenants(client)).map((it) => [it.metadata.name, it]));
    const seconds = Math.round((Date.now() - begun) / 1000);
    for (const name of waiting) {
      const { done, text } = progress(found.get(name), request);
      if (said.get(name) !== text) say([[name, `${seconds} s`, text]]);
      said.set(name, text);
      if (done) waiting.delete(name);
    }
    if (waiting.size === 0) return 0;
    if (seconds > timeout) break;
    await sleep(LOOK_MS);
  }
  throw new Error(
    `not done after ${timeout} s: ${[...waiting].join(", ")}. The operator goes on with it; \`kubectl describe tenant\` shows what it waits for`,
  );
}

function progress(tenant: Tenant | undefined, request: string): { done: boolean; text: string } {
  if (!tenant) return { done: true, text: "the Tenant is gone" };
  const { rotation, rotationRequest, activeLogin } = tenant.status;
  if (rotation) return { done: false, text: [rotation.step, rotation.message].filter(Boolean).join(": waits for ") };
  if (rotationRequest === request)
    return { done: true, text: `done: login ${activeLogin} is in use, the other is closed` };
  const ready = tenant.status.conditions?.find(({ type }) => type === "CredentialsReady");
  const why = ready && ready.status !== "True" ? `: ${ready.message}` : "";
  return { done: false, text: `asked for${why}` };
}

function say(rows: string[][]): void {
  process.stdout.write(`${table(rows)}\n`);
}
