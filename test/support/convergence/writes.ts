import { openMeter } from "../../../bench/tenants/statements.ts";
import { isWrite, type Request } from "./audit-log.ts";
import type { ConvergenceWorld } from "./world.ts";

/** What two operators wrote. Only the Lease and the row of the leader's epoch may be written where nothing changes. */
export interface Writes {
  /** Of the Lease `agentpg-operator`. */
  leaseRenewals: number;
  /** Of a row in `agentpg_operator.leader`, one by each leader. */
  epochs: number;
  /** Everything else: requests to the API server, and statements that changed something in Postgres. None are allowed. */
  others: string[];
  /** Requests that read: for comparison. */
  reads: number;
  statements: number;
}

const isLease = ({ resource }: Request): boolean => resource === "leases";
const EPOCH = /^INSERT INTO agentpg_operator\.leader /;
/** What writes into the WAL. A plain SELECT may: it sets hint bits, and prunes what is dead. */
const WROTE = `SELECT query, calls::int FROM pg_stat_statements
   WHERE userid <> current_user::regrole AND wal_records > 0 AND NOT (query ~* '^\\s*(SELECT|WITH)' AND query !~* 'FOR (NO KEY )?(UPDATE|SHARE)')`;

/** All that the operators write while `work` goes on, as the API server's audit log and pg_stat_statements tell it. */
export async function writesDuring(world: ConvergenceWorld, work: () => Promise<void>): Promise<Writes> {
  const { postgres, admin } = world.harness;
  const meter = await openMeter(postgres.adminSettings(admin.database));
  const operators = new Set(world.members.map(({ name }) => name));
  try {
    await world.audit.news();
    const cost = await meter.measure(work);
    const { rows } = await meter.client.query<{ query: string; calls: number }>(WROTE);
    const requests = (await world.audit.news()).filter(({ user }) => operators.has(user));
    const written = requests.filter(isWrite);
    const epochs = rows.filter(({ query }) => EPOCH.test(query)).reduce((sum, { calls }) => sum + calls, 0);
    const more = cost.writes - epochs;
    return {
      leaseRenewals: written.filter(isLease).length,
      epochs,
      others: [
        ...written.filter((it) => !isLease(it)).map((it) => `${it.verb} ${it.resource}/${it.subresource} ${it.key}`),
        ...rows.filter(({ query }) => !EPOCH.test(query)).map(({ query, calls }) => `${calls} times ${query}`),
        ...(more > 0 ? [`${more} more transactions that wrote`] : []),
      ],
      reads: requests.length - written.length,
      statements: cost.statements,
    };
  } finally {
    await meter.close();
  }
}
