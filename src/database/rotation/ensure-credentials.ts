import type { ConnectionSettings } from "../connection.ts";
import type { Environment } from "../ensure.ts";
import { DatabaseBusy, TenantNotProvisioned } from "../errors.ts";
import { type AgentPath, loginSettings } from "../password.ts";
import { type TenantRecord, tenantByUid } from "../registry.ts";
import { nextStep } from "./decide.ts";
import type { DrainLimits } from "./drain.ts";
import { dueReason, type RotationWish } from "./due.ts";
import { observeDrain, observePublished } from "./observe.ts";
import { takeStep } from "./take-step.ts";
import type { FreshPassword } from "./steps.ts";

export interface CredentialsRequest {
  /** The registry's row as it was just read. */
  tenant: TenantRecord;
  /** What the tenant's Secret says; undefined when there is none or a part is missing. */
  published: { user: string; password: string } | undefined;
  wish: RotationWish;
  limits: DrainLimits;
  /** Names of the pods that run, whether they have reported or not; asked while draining only. */
  runningPods: () => Promise<string[]>;
  agentPath: AgentPath | undefined;
  /** Takes the registry's word that what is published is right, without a login; no word during a rotation. */
  believesRegistry?: boolean;
}

export interface CredentialsContext {
  environment: Environment;
  server: ConnectionSettings;
  request: CredentialsRequest;
  epoch: number;
  /** Revisions that were let in during this call: tried once. */
  letIn: Set<string>;
}

/** What happened to the tenant's login. */
export interface EnsuredCredentials {
  /** What the Secret has to hold, all of it written at once; undefined: leave it as it is. */
  credentials: FreshPassword | undefined;
  /** Where the tenant's login connects to. */
  database: string;
  /** There is more to do once `credentials` are published: call again. */
  again: boolean;
  /** The registry's row now. */
  tenant: TenantRecord;
  /** A password that somebody else changed was set back: each a sentence. */
  repairs: string[];
  /** What a rotation waits for. */
  waitingFor: string | undefined;
  /** The rotation waits for somebody to act. */
  stuck: boolean;
  /** Connections that were not idle when they were ended, because the grace was over. */
  endedAtWork: number;
}

/** Enough for a whole rotation in one go, when nobody uses the login. */
const MOST_STEPS = 10;

/**
 * Goes on with the tenant's login as far as possible: sets, repairs or rotates its password. Killed at any point, the next
 * call goes on from the registry's row. In steady state it logs in once, if that, and neither reads nor writes.
 * @throws DatabaseError
 */
export async function ensureCredentials(given: Omit<CredentialsContext, "letIn">): Promise<EnsuredCredentials> {
  const context = { ...given, letIn: new Set<string>() };
  const { environment, request } = context;
  const so = { repairs: [] as string[], endedAtWork: 0 };
  let { tenant } = request;
  for (let n = 0; n < MOST_STEPS; n++) {
    const published = await observePublished(context, tenant);
    const drain = await observeDrain(context, tenant);
    const due = dueReason(tenant, request.wish, new Date());
    const step = nextStep({ record: tenant, published, due, drained: drain?.done ?? false });
    const taken = await takeStep(context, tenant, step);
    if (taken.repair) so.repairs.push(taken.repair);
    if (step.kind === "close" && drain?.done) so.endedAtWork = drain.endsWork;
    if (taken.goOn) {
      tenant = await reread(environment, tenant);
      continue;
    }
    const waitingFor = taken.waitingFor ?? (drain?.done === false ? drain.waitingFor : undefined);
    const stuck = taken.stuck ?? (drain?.done === false && drain.stuck);
    const isRight = published && (step.kind === "keep" || step.kind === "wait");
    if (step.kind === "open" || step.kind === "replace") tenant = await reread(environment, tenant);
    const again = taken.publish !== undefined;
    const { database } = loginSettings(given.server, tenant, { login: tenant.activeLogin, password: "" });
    return {
      ...so,
      database,
      credentials: taken.publish ?? (isRight ? published : undefined),
      again,
      tenant,
      waitingFor,
      stuck,
    };
  }
  throw new DatabaseBusy(`the login of Tenant ${tenant.name} does not settle; it is tried again`);
}

async function reread({ sessions }: Environment, { uid, name }: TenantRecord): Promise<TenantRecord> {
  const record = await sessions.read("looking for the tenant", (client) => tenantByUid(client, uid));
  if (record) return record;
  throw new TenantNotProvisioned(`Tenant ${name} lost its schema while its login was changed: it was deleted`);
}
