import { setTimeout as sleep } from "node:timers/promises";
import { tenantDatabaseNames } from "../../api/names.ts";
import { LoginRefusedForAgents } from "../errors.ts";
import { loginSettings, proveLogin } from "../password.ts";
import type { TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";
import type { CredentialsStep } from "./decide.ts";
import type { CredentialsContext } from "./ensure-credentials.ts";
import { revisionOf } from "./revision.ts";
import * as steps from "./steps.ts";

export interface Taken {
  /** Look again at once. */
  goOn?: boolean;
  publish?: steps.FreshPassword;
  repair?: string;
  waitingFor?: string;
  stuck?: boolean;
}

/** How long a signalled connection has to end before the rest is left to the next call. */
const END_MS = 3_000;

export async function takeStep(
  context: CredentialsContext,
  tenant: TenantRecord,
  step: CredentialsStep,
): Promise<Taken> {
  const { environment, request, epoch } = context;
  const { wish, published } = request;
  const write = <T>(doing: string, work: (client: Queryable) => Promise<T>): Promise<T> =>
    environment.sessions.fenced(epoch, `${doing} of ${tenant.id}`, work);
  const fresh = async (doing: string, work: (client: Queryable) => Promise<steps.FreshPassword>): Promise<Taken> => {
    const publish = await write(doing, work);
    try {
      await proveLogin(loginSettings(context.server, tenant, publish), request.agentPath);
      return { publish };
    } catch (error) {
      // Pods go on with what they have: a rotation that cannot go on is no reason to call the tenant broken.
      if (!(error instanceof LoginRefusedForAgents) || step.kind === "setFirst") throw error;
      return { waitingFor: error.message, stuck: true };
    }
  };
  switch (step.kind) {
    case "keep":
    case "wait":
      return {};
    case "note": {
      const revision = revisionOf(tenant.activeLogin, published?.password ?? "");
      await write("noting the published password", (client) => steps.noteRevision(client, tenant, epoch, revision));
      return { goOn: true };
    }
    case "setFirst":
      return fresh("setting the password", (client) => steps.setFirstPassword(client, tenant, epoch, wish.requested));
    case "open": {
      const why = { reason: step.reason, request: wish.requested };
      return fresh("opening the idle login", (client) => steps.openIdleLogin(client, tenant, epoch, why));
    }
    case "replace":
      return fresh("setting the idle login's password", (client) => steps.replaceIdlePassword(client, tenant, epoch));
    case "restore": {
      const password = published?.password ?? "";
      await write("setting the password back", (client) => steps.restorePassword(client, tenant, step.login, password));
      const user = tenantDatabaseNames(tenant.id).logins[step.login];
      return { goOn: true, repair: `set the password of ${user} back to the published one` };
    }
    case "drain":
      await write("noting that the password is published", (client) => steps.beginDrain(client, tenant, epoch));
      return { goOn: true };
    case "close":
      await write("closing the old login", (client) => steps.closeOldLogin(client, tenant, epoch));
      return { goOn: true };
    case "finish": {
      const left = await endAll(() =>
        write("ending the old login's connections", (client) => steps.endOldSessions(client, tenant, epoch)),
      );
      return left === 0 ? { goOn: true } : { waitingFor: `${left} connections of the closed login that do not end` };
    }
  }
}

/** Signals until none is left, or the time is up; gives how many are left. */
async function endAll(signal: () => Promise<number>): Promise<number> {
  const deadline = Date.now() + END_MS;
  for (;;) {
    const left = await signal();
    if (left === 0 || Date.now() > deadline) return left;
    await sleep(50);
  }
}
