import { TranscriptCipher } from "../encryption/cipher.ts";
import type { DataKeys } from "../encryption/data-keys.ts";
import type { TranscriptDatabase } from "../encryption/transcript-database.ts";
import type { Environment } from "../ensure.ts";
import { enterSchema } from "../lifecycle/enter-schema.ts";
import type { TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";

/** Somebody waits in front of a screen, and the tenant's agents must not wait for them. */
const LIMITS = { lockMs: 3_000, statementMs: 5_000 };

/** What a look at a tenant's transcripts needs. */
export interface TenantKeys {
  uid: string;
  keys: DataKeys;
  /** Whether what is written is encrypted. */
  encrypts?: boolean;
}

/** A tenant's rows for people who look at them. `work` has the runtime's own queries at hand, and those of this folder. */
export interface ConsoleDatabase {
  /** Reads from one snapshot. @throws TenantNotProvisioned, DatabaseBusy after 5 seconds of one statement */
  read<T>(tenant: TenantKeys, doing: string, work: (db: TranscriptDatabase) => Promise<T>): Promise<T>;
  /**
   * Writes rows as the tenant's own pods do: under no leader's epoch, so any replica of the operator may. Nothing that the leader
   * decides on (rights, tables, the registry) may be changed here.
   * @throws TenantNotProvisioned, HeldByOtherOperator
   */
  write<T>(tenant: TenantKeys, doing: string, work: (db: TranscriptDatabase, name: string) => Promise<T>): Promise<T>;
}

export function consoleDatabase({ sessions }: Environment): ConsoleDatabase {
  return {
    read: (tenant, doing, work) =>
      sessions.readTenant(tenant.uid, doing, async (client, record) => work(await entered(client, record, tenant))),
    write: (tenant, doing, work) =>
      sessions.writeRows(tenant.uid, doing, async (client, record) =>
        work(await entered(client, record, tenant), record.name),
      ),
  };
}

/** The tenant's schema in the form in which the runtime's queries know a database. */
async function entered(client: Queryable, record: TenantRecord, tenant: TenantKeys): Promise<TranscriptDatabase> {
  await enterSchema(client, record, LIMITS);
  return {
    query: async <Row>(_name: string, text: string, values: unknown[] = []) =>
      (await client.query(text, values)).rows as Row[],
    transcripts: new TranscriptCipher(record.id, () => tenant.keys, tenant.encrypts),
  };
}
