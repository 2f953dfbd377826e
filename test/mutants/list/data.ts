import type { Mutant } from "../mutant.ts";

const CHAIN = "src/database/lifecycle/audit-chain.ts";
const VERIFY = "src/database/lifecycle/verify-audit.ts";
const DESIRED = "src/database/provisioning/desired.ts";
const TOOL_QUERY = "src/database/runs/run-tool-query.ts";
const labelled = [{ file: "test/pii/labelled.test.ts" }];
const pii = (tests: string) => [{ file: "test/runtime/pii.test.ts", tests }];
const audit = (tests: string) => [{ file: "test/database/audit-verify.test.ts", tests }];
const isolation = (tests: string) => [{ file: "test/database/isolation.test.ts", tests }];
const sql = (tests: string) => [{ file: "test/runtime/tools.test.ts", tests }];

/** What a model may do by an `sql` tool. */
export const SQL_TOOL: Mutant[] = [
  {
    weakness: "an sql tool's statement runs with the rights of the tenant's login",
    file: TOOL_QUERY,
    from: ", set_config('role', '${tool}', true)`",
    to: "`",
    killedBy: sql("the sql tool refuses"),
  },
  {
    weakness: "an sql tool's transaction may write",
    file: TOOL_QUERY,
    from: "`BEGIN READ ONLY; SELECT",
    to: "`BEGIN; SELECT",
    killedBy: sql("the sql tool refuses"),
  },
  {
    weakness: "an sql tool's statement may be any statement",
    file: TOOL_QUERY,
    from: '`SELECT * FROM (${statement.replace(/;\\s*$/, "")}\\n) tool_rows LIMIT ${rows}`',
    to: '`${statement}${rows < 0 ? rows : ""}`',
    killedBy: sql("the sql tool refuses"),
  },
  {
    weakness: "an sql tool's statement may change the role while it runs",
    file: TOOL_QUERY,
    from: "  refuseToLeaveRole(statement);\n  const query",
    to: '  if (statement === "") refuseToLeaveRole(statement);\n  const query',
    killedBy: sql("leaves its role by no function"),
  },
  {
    weakness: "the tool role may write the tenant's data",
    file: DESIRED,
    from: 'return object.objects === "TABLES" ? only(names.tool, "SELECT") : [];',
    to: 'return object.objects === "TABLES" ? only(names.tool, "SELECT", "INSERT") : [];',
    killedBy: isolation("the tool role is refused"),
  },
];

/** Personal data before the model and before the database. */
export const PERSONAL_DATA: Mutant[] = [
  {
    weakness: "any long number is a payment card",
    file: "src/runtime/pii/card.ts",
    from: "  fitsLuhn(digits) &&\n",
    to: "",
    killedBy: labelled,
  },
  {
    weakness: "an IBAN's check digits are not looked at",
    file: "src/runtime/pii/iban.ts",
    from: "if (candidate && isValid(candidate.iban)) found",
    to: "if (candidate && candidate.iban !== isValid.name) found",
    killedBy: labelled,
  },
  {
    weakness: "digits of other scripts and letters that cannot be seen hide what they are in",
    file: "src/runtime/pii/fold.ts",
    from: "if (ASCII.test(original)) return",
    to: "if (original.length >= 0) return",
    killedBy: labelled,
  },
  {
    weakness: "what a tool answers goes to the model as it is",
    file: "src/runtime/pii/protection.ts",
    from: `    if (isClean(counts)) return { value: outcome, counts };
    if (this.policy === "Redact")`,
    to: `    if (isClean(counts) || output !== "") return { value: outcome, counts };
    if (this.policy === "Redact")`,
    killedBy: pii("Block a tool's result with personal data"),
  },
  {
    weakness: "`Block` lets through what `Redact` would change",
    file: "src/runtime/pii/hooks.ts",
    from: 'if (protection.policy === "Redact") return { action: "change", annotations, ...change };',
    to: 'return { action: "change", annotations, ...change };',
    killedBy: pii("Block"),
  },
  {
    weakness: "an answer is told as it comes, without holding back what may be a value",
    file: "src/runtime/pii/stream.ts",
    from: "segmentsOf(text, isLast)",
    to: 'segmentsOf(text, isLast || text !== "")',
    killedBy: [{ file: "src/runtime/pii/redact.test.ts", tests: "a text that comes in pieces" }],
  },
  {
    weakness: "history of before the policy goes to the model as it is",
    file: "src/runtime/pii/protection.ts",
    from: "content: this.#outgoing(content) }",
    to: "content }",
    killedBy: pii("a conversation of before the policy"),
  },
];

/** The audit log, and the encryption of transcripts. */
export const AUDIT_AND_TRANSCRIPTS: Mutant[] = [
  {
    weakness: "a row that was changed is not seen",
    file: CHAIN,
    from: "if (row.textFits) return undefined;",
    to: "if (row.seq > 0) return undefined;",
    killedBy: audit("whatever is done to a row of the log"),
  },
  {
    weakness: "a row that follows another one is not seen",
    file: CHAIN,
    from: "if (!row.prevHash.equals(previous.hash))",
    to: "if (row.prevHash.length === 0 && previous.hash.length === 0)",
    killedBy: audit("whatever is done to a row of the log"),
  },
  {
    weakness: "a log whose end was cut off is whole",
    file: CHAIN,
    from: "if (head.seq !== this.#at.seq || !head.hash.equals(this.#at.hash))",
    to: "if (head.seq < this.#at.seq)",
    killedBy: audit("whatever is done to a row of the log"),
  },
  {
    weakness: "anybody may empty a row and call it erasure",
    file: CHAIN,
    from: "if (it.tombstones === 0 || isVouchedFor(it)) continue;",
    to: "if (it.tombstones >= 0 || isVouchedFor(it)) continue;",
    killedBy: audit("whatever is done to a row of the log"),
  },
  {
    weakness: "a row's time need not be the one in its text",
    file: VERIFY,
    from: "return said !== undefined && `${said}000` === at;",
    to: "return said !== undefined && at !== undefined;",
    killedBy: audit("whatever is done to a row of the log"),
  },
  {
    weakness: "a log that was written anew is whole",
    file: VERIFY,
    from: "for (const point of [anchor, expected]) if (point) await hold(client, verifier, point, start);",
    to: "for (const point of [anchor, expected]) if (point && point.seq < 0) await hold(client, verifier, point, start);",
    killedBy: audit("whatever is done to a row of the log"),
  },
  {
    weakness: "an agent may change lines of its audit log",
    file: DESIRED,
    from: 'audit: ["SELECT", "INSERT"],',
    to: 'audit: ["SELECT", "INSERT", "UPDATE"],',
    killedBy: [{ file: "test/database/provisioning.test.ts", tests: "the audit table takes rows" }],
  },
  {
    weakness: "an encrypted text can be moved to another row",
    file: "src/database/encryption/cipher.ts",
    from: "this.#schema, generation, ...place]",
    to: "this.#schema, generation, place[0]]",
    killedBy: [
      { file: "src/database/encryption/cipher.test.ts", tests: "cannot be read in another column, row, tenant" },
    ],
  },
];

/** What a tenant's login may do in Postgres, and who may change its schema. */
export const DATABASE_RIGHTS: Mutant[] = [
  {
    weakness: "tables have no row-level security",
    file: "src/database/provisioning/plan-row-security.ts",
    from: '...(it.enabled && it.forced ? [] : [{ kind: "enableRowSecurity", schema, table } as const]),',
    to: "",
    killedBy: [{ file: "test/database/migrations.test.ts", tests: "its table is as closed as the others" }],
  },
  {
    weakness: "row-level security lets everybody through",
    file: DESIRED,
    from: "`pg_has_role(SESSION_USER, '${names.readWrite}'::name, 'MEMBER'::text)`",
    to: "`(length('${names.readWrite}'::text) > 0)`",
    killedBy: [{ file: "test/isolation/schema-tier.test.ts", tests: "row security" }],
  },
  {
    weakness: "a tenant's login may make tables in its schema",
    file: DESIRED,
    from: 'return only(object.schema === names.schema ? names.readWrite : names.tool, "USAGE");',
    to: 'return only(object.schema === names.schema ? names.readWrite : names.tool, "USAGE", "CREATE");',
    killedBy: [{ file: "test/database/isolation.test.ts" }],
  },
  {
    weakness: "a tenant's login may make roles",
    file: DESIRED,
    from: "return { ...GROUP, login, connectionLimit: desired.connectionLimit };",
    to: "return { ...GROUP, login, createRole: true, connectionLimit: desired.connectionLimit };",
    killedBy: [{ file: "test/database/isolation.test.ts" }],
  },
  {
    weakness: "rights that somebody gave away are left",
    file: "src/database/provisioning/plan-grants.ts",
    from: "...grants.filter((it) => it.grantable || !isWanted(it)),",
    to: "...grants.filter((it) => it.grantable && !isWanted(it)),",
    killedBy: [{ file: "src/database/provisioning/plan.test.ts" }],
  },
  {
    weakness: "rights on columns that somebody gave away are left",
    file: "src/database/provisioning/plan-grants.ts",
    from: "...columnGrants.filter((it) => it.grantable || !isWanted(it)),",
    to: "...columnGrants.filter((it) => it.grantable && !isWanted(it)),",
    killedBy: [{ file: "src/database/provisioning/plan.test.ts" }],
  },
  {
    weakness: "a name is not quoted",
    file: "src/database/quote.ts",
    from: `return \`"\${name.replaceAll('"', '""')}"\` as Identifier;`,
    to: `return \`"\${name}"\` as Identifier;`,
    killedBy: [{ file: "test/database/quoting.test.ts" }],
  },
];

/** What keeps an old leader, and a pod that lost its run, from writing. */
export const FENCES: Mutant[] = [
  {
    weakness: "an old leader may write",
    file: "src/database/leader-epoch.ts",
    from: "if (current && Number(current.epoch) === epoch) return;",
    to: "if (current) return;",
    killedBy: [{ file: "test/database/fencing.test.ts", tests: "an old leader's writes are refused" }],
  },
  {
    weakness: "a new leader starts while the old one still writes",
    file: "src/database/leader-epoch.ts",
    from: "WHERE cluster_uid = $1 FOR SHARE",
    to: "WHERE cluster_uid = $1",
    killedBy: [{ file: "test/database/fencing.test.ts", tests: "a new leader starts only when" }],
  },
  {
    weakness: "a pod that lost its run may write to it",
    file: "src/database/runs/apply-steps.ts",
    from: "WHERE r.id = i.run AND r.fence = i.fence AND r.step = i.step - 1",
    to: "WHERE r.id = i.run AND r.step = i.step - 1",
    killedBy: [{ file: "test/runtime/recovery.test.ts", tests: "writes nothing any more" }],
  },
  {
    weakness: "a write that is sent twice applies twice",
    file: "src/database/runs/apply-steps.ts",
    from: "AND r.step = i.step - 1 AND r.state",
    to: "AND r.state",
    killedBy: [{ file: "test/runtime/recovery.test.ts", tests: "writes nothing any more" }],
  },
  {
    weakness: "whoever takes a run over has the number of the one before",
    file: "src/database/runs/claim-runs.ts",
    from: "fence = r.fence + 1, step = 0",
    to: "fence = r.fence, step = 0",
    killedBy: [{ file: "test/runtime/recovery.test.ts", tests: "stands still for longer than its lease" }],
  },
];
