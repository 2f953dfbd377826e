import type { TenantDatabaseNames } from "../../api/names.ts";
import { actAs } from "../provisioning/apply.ts";
import type { Login } from "../registry.ts";
import type { Queryable } from "../session.ts";
import type { LoginSessions } from "./drain.ts";

/** The login's connections to all databases of the server. Acts as the owner, which has the login's rights: others may not see what they do. */
export async function loginSessions(
  client: Queryable,
  names: TenantDatabaseNames,
  login: Login,
  quietSeconds: number,
): Promise<LoginSessions> {
  await actAs(client, names.owner);
  const { rows } = await client.query<LoginSessions>(
    `SELECT count(*) FILTER (WHERE state IS DISTINCT FROM 'idle')::int AS working,
            count(*) FILTER (WHERE state = 'idle' AND state_change > clock_timestamp() - make_interval(secs => $2))::int AS idle,
            count(*) FILTER (WHERE state = 'idle' AND state_change <= clock_timestamp() - make_interval(secs => $2))::int AS quiet
       FROM pg_stat_activity WHERE usename = $1`,
    [names.logins[login], quietSeconds],
  );
  await actAs(client, "operator");
  return rows[0] as LoginSessions;
}

/** Ends the login's connections; gives how many there were. */
export async function endSessions(client: Queryable, names: TenantDatabaseNames, login: Login): Promise<number> {
  await actAs(client, names.owner);
  const { rows } = await client.query<{ ended: boolean }>(
    "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity WHERE usename = $1",
    [names.logins[login]],
  );
  await actAs(client, "operator");
  return rows.length;
}
