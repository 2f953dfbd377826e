import { createHash } from "node:crypto";
import type { Environment } from "../ensure.ts";
import { TooManySessions } from "../errors.ts";
import type { TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";
import { auditWindows, IN_WINDOW } from "./audit-windows.ts";
import { countAudit } from "./count-subject.ts";
import { enterSchema } from "./enter-schema.ts";
import { EXPORT_SECTIONS, exportLine, type ExportSection, keySql } from "./export-sections.ts";
import { fetchGroups, LOOK_AHEAD, type RowSize } from "./fetch-groups.ts";
import { chainStart } from "./remove-audit.ts";
import { AUDIT_OF_SUBJECT, auditValues, MOST_SESSIONS, sessionsOf, type Subject } from "./subject.ts";

export interface ExportRequest {
  uid: string;
  /** Left out: all that the tenant has. */
  subject?: Subject;
}

export interface ExportOptions {
  /** Takes a line, and waits while its reader is slow. */
  emit(line: object): Promise<void>;
  signal: AbortSignal;
  /** Makes a row readable, of a section's `type`, as the database has it: where transcripts are encrypted, it decrypts. May throw. */
  decode?(type: string, row: Record<string, unknown>): Record<string, unknown> | Promise<Record<string, unknown>>;
}

const FORMAT_VERSION = 1;
/** A reader that is slow for longer loses its snapshot: it keeps Postgres from cleaning up. */
const SLOW_READER = "5min";

/** What is exported: sessions and their rows; null: all. */
interface Scope {
  subject: Subject | undefined;
  sessions: string[] | null;
}

const valuesOf = (section: ExportSection, scope: Scope): unknown[] => (section.wholeTenantOnly ? [] : [scope.sessions]);
const sectionsOf = ({ subject }: Scope) => EXPORT_SECTIONS.filter((it) => !subject || !it.wholeTenantOnly);

/**
 * Gives all rows of a tenant, or of one session or user, as lines: first what this is and how much will come, last how much came
 * and the hash of all lines before. All from one snapshot, through cursors.
 * @throws DatabaseError; the signal's reason
 */
export async function exportTenant(
  environment: Environment,
  { uid, subject }: ExportRequest,
  options: ExportOptions,
): Promise<void> {
  const hash = createHash("sha256");
  const write = async (line: object): Promise<void> => {
    const text = `${JSON.stringify(line)}\n`;
    hash.update(text);
    await options.emit(line);
  };
  await environment.sessions
    .readTenant(uid, "exporting", async (client, tenant) => {
      await enterSchema(client, tenant);
      await client.query(`SET LOCAL idle_in_transaction_session_timeout = '${SLOW_READER}'`);
      const scope: Scope = { subject, sessions: subject ? await sessionsOf(client, subject) : null };
      if (scope.sessions?.length === MOST_SESSIONS)
        throw new TooManySessions(
          `there are ${MOST_SESSIONS} sessions of this user or more: export the whole tenant, and take the user's lines`,
        );
      await write(await title(client, tenant, scope));
      const counts: Record<string, number> = {};
      for (const section of sectionsOf(scope))
        counts[section.type] = await writeRows(
          client,
          section,
          { where: section.where, values: valuesOf(section, scope) },
          options,
          write,
        );
      if (subject) counts["audit"] = await writeAuditOf(client, subject, scope.sessions ?? [], options, write);
      await options.emit({ type: "end", counts, sha256: hash.digest("hex") });
    })
    .catch((error: unknown) => {
      options.signal.throwIfAborted(); // then this is why, and not the database
      throw error;
    });
}

async function title(client: Queryable, tenant: TenantRecord, scope: Scope): Promise<object> {
  const counts: Record<string, number> = {};
  for (const section of sectionsOf(scope)) {
    const { rows } = await client.query<{ count: string }>(
      `SELECT count(*) FROM ${section.from} WHERE ${section.where}`,
      valuesOf(section, scope),
    );
    counts[section.type] = Number(rows[0]?.count);
  }
  if (scope.subject) counts["audit"] = await countAudit(client, scope.subject, scope.sessions ?? []);
  const { rows } = await client.query<{ takenAt: Date; seq: string; hash: Buffer }>(
    `SELECT now() AS "takenAt", seq, substr(hash, 1, 32) AS hash FROM audit_head`,
  );
  const start = await chainStart(client);
  return {
    type: "export",
    version: FORMAT_VERSION,
    tenant: { name: tenant.name, uid: tenant.uid },
    subject: scope.subject ?? null,
    schemaVersion: tenant.schemaVersion,
    takenAt: rows[0]?.takenAt,
    auditChain: {
      start: { seq: start.seq, hash: start.hash.toString("hex") },
      head: { seq: Number(rows[0]?.seq), hash: rows[0]?.hash.toString("hex") },
    },
    counts,
  };
}

type Write = (line: object) => Promise<void>;

/** The rows of a section, or those of them that a filter leaves. */
interface Selection {
  where: string;
  values: unknown[];
}

/**
 * Fetches rows in groups of about a megabyte. A second cursor goes ahead and tells their sizes: the tenant's login decides how large
 * its rows are, and the operator has to live. A row that is too large is told of and left out.
 */
async function writeRows(
  client: Queryable,
  section: ExportSection,
  { where, values }: Selection,
  { signal, decode }: ExportOptions,
  write: Write,
): Promise<number> {
  const selection = `FROM ${section.from} WHERE ${where} ORDER BY ${section.order}`;
  const ahead = `SELECT octet_length(a::text) AS bytes, ${keySql(section)} AS key ${selection}`;
  await client.query(`DECLARE export_sizes NO SCROLL CURSOR FOR ${ahead}`, values);
  await client.query(`DECLARE export_rows NO SCROLL CURSOR FOR SELECT a.* ${selection}`, values);
  let count = 0;
  for (;;) {
    const { rows: sizes } = await client.query<RowSize>(`FETCH FORWARD ${LOOK_AHEAD} FROM export_sizes`);
    if (sizes.length === 0) break;
    for (const group of fetchGroups(sizes)) {
      signal.throwIfAborted();
      const fetched = await client.query<Record<string, unknown>>(
        `${group.tooLarge ? "MOVE" : "FETCH"} FORWARD ${group.rows} FROM export_rows`,
      );
      if (group.tooLarge) await write({ type: section.type, ...group.tooLarge });
      for (const row of fetched.rows) await write(exportLine(section, decode ? await decode(section.type, row) : row));
    }
    count += sizes.length;
  }
  await client.query("CLOSE export_sizes");
  await client.query("CLOSE export_rows");
  return count;
}

/** The subject's audit rows. Nothing finds them but a look at all, so that goes in pieces. */
async function writeAuditOf(
  client: Queryable,
  subject: Subject,
  sessions: string[],
  options: ExportOptions,
  write: Write,
): Promise<number> {
  const section = EXPORT_SECTIONS.find((it) => it.type === "audit") as ExportSection;
  const where = `${IN_WINDOW} AND ${AUDIT_OF_SUBJECT}`;
  let count = 0;
  for await (const { from, until } of auditWindows(client)) {
    const values = [...auditValues(subject, sessions), from, until];
    count += await writeRows(client, section, { where, values }, options, write);
  }
  return count;
}
