import { tenantDatabaseNames } from "../../api/names.ts";
import { isAccepted } from "../login.ts";
import { loginSettings } from "../password.ts";
import type { Rotation, TenantRecord } from "../registry.ts";
import { podsBehind, podsSilent } from "../worker-reports.ts";
import { type Published, publishedLogin } from "./decide.ts";
import { type DrainVerdict, judgeDrain } from "./drain.ts";
import type { CredentialsContext } from "./ensure-credentials.ts";
import { revisionOf } from "./revision.ts";
import type { FreshPassword } from "./steps.ts";
import { loginSessions } from "./sessions.ts";

/** What the Secret says, tried out. */
export async function observePublished(
  { server, request, letIn }: CredentialsContext,
  tenant: TenantRecord,
): Promise<(Published & FreshPassword) | undefined> {
  const { user, password } = request.published ?? {};
  const { logins } = tenantDatabaseNames(tenant.id);
  const login = (["a", "b"] as const).find((it) => logins[it] === user);
  if (!password || !login) return undefined;
  const revision = revisionOf(login, password);
  // Only what could be right is tried: attempts that fail cost the server time and fill its log.
  const couldBeRight = login === publishedLogin(tenant) && (tenant.credentialsRevision ?? revision) === revision;
  const isVouchedFor = request.believesRegistry && !tenant.rotation && tenant.credentialsRevision === revision;
  const accepted =
    couldBeRight &&
    (isVouchedFor || letIn.has(revision) || (await isAccepted(loginSettings(server, tenant, { login, password }))));
  if (accepted) letIn.add(revision);
  return { login, user: logins[login], password, revision, accepted };
}

/** Whether the old login can be closed; undefined while that is not the question. */
export async function observeDrain(
  { environment, request }: CredentialsContext,
  tenant: TenantRecord,
): Promise<DrainVerdict | undefined> {
  if (tenant.rotation?.step !== "draining") return undefined;
  const { id, uid, activeLogin, credentialsRevision = "" } = tenant;
  const running = await request.runningPods();
  const pods = await environment.sessions.readTenant(uid, "reading what the pods report", async (client) => ({
    behind: await podsBehind(client, id, credentialsRevision),
    silent: await podsSilent(client, id, running),
  }));
  // After the reports: whoever reports the new login opens no connection with the old one any more.
  const sessions = await environment.sessions.read("looking at the connections of the old login", (client) =>
    loginSessions(client, tenantDatabaseNames(id), activeLogin, request.limits.quietSeconds),
  );
  return judgeDrain({ ...pods, sessions, seconds: secondsIn(tenant.rotation) }, request.limits);
}

const secondsIn = ({ stepAt }: Rotation): number => (Date.now() - stepAt.getTime()) / 1000;
