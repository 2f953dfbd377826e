import { z } from "zod";
import type { Subject } from "../../database/lifecycle/subject.ts";
import type { Caches } from "../caches.ts";
import type { DatabaseAccess } from "../databases/database-access.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import { purgeOnAnyServer } from "./purge-on-any-server.ts";
import type { KeyProvider } from "../encryption/key-provider.ts";
import { rowDecoder } from "../encryption/row-decoder.ts";
import { type AdminOperation, adminOperation, OperationRefused } from "./operation.ts";

const name = z.string().min(1).max(253);
const session = z.uuid("must be a session's id, a UUID").optional();
const user = z.string().min(1).max(1024).optional();

const subjectOf = (it: { session?: string | undefined; user?: string | undefined }): Subject | undefined => {
  if (it.session !== undefined) return { session: it.session.toLowerCase() };
  return it.user === undefined ? undefined : { user: it.user };
};

const eraseInput = z
  .strictObject({
    tenant: name,
    session,
    user,
    /** true: only count. */
    dryRun: z.boolean().default(false),
    /** Who asks, for the audit log: what the caller says. */
    by: z.string().min(1).max(256).default("unknown"),
    /** How long runs get to end in good order. */
    waitSeconds: z.int().min(0).max(600).default(30),
  })
  .refine((it) => (it.session === undefined) !== (it.user === undefined), {
    path: ["session"],
    message: "give either session or user; a whole tenant goes with its Tenant (deletionPolicy Delete)",
  });

const exportInput = z
  .strictObject({ tenant: name, session, user })
  .refine((it) => it.session === undefined || it.user === undefined, {
    path: ["session"],
    message: "give session or user, not both; leave both out for the whole tenant",
  });

const verifyInput = z.strictObject({
  tenant: name,
  /** false: only what came since the log was last found whole. */
  whole: z.boolean().default(true),
  /** A row's number and hash that were kept elsewhere. */
  expected: z
    .strictObject({
      seq: z.int().min(0),
      hash: z
        .string()
        .regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits, as `agentpg audit verify -o json` gives them"),
    })
    .optional(),
  /** true: a backup was restored; the log is taken as it is from now on. */
  anew: z.boolean().default(false),
});

const purgeInput = z
  .strictObject({ retained: name, confirm: z.string().default("") })
  .refine((it) => it.confirm === it.retained, {
    path: ["confirm"],
    message: "must repeat the name of the deleted Tenant: what it left cannot be brought back",
  });

/** Erasure, export and verification of tenants' data. */
export function dataOperations(
  databases: DatabaseServers,
  caches: Caches,
  keyProvider: KeyProvider | undefined,
): AdminOperation[] {
  const locate = (tenant: string): { uid: string; database: DatabaseAccess } => {
    const it = caches.tenants.get(tenant);
    if (it) return { uid: it.metadata.uid, database: databases.of(it) };
    throw new OperationRefused(
      "NoSuchTenant",
      `there is no Tenant ${JSON.stringify(tenant)}: \`kubectl get tenants\` lists them; what a deleted one left is purged with \`agentpg erase --retained\``,
    );
  };
  return [
    adminOperation({
      name: "erase",
      input: eraseInput,
      async run(input, { emit, signal }) {
        const { uid, database } = locate(input.tenant);
        const subject = subjectOf(input) as Subject;
        if (input.dryRun) {
          const found = await database.use((it) => it.lifecycle.countSubject({ uid }, subject));
          return emit({ found });
        }
        const request = { uid, subject, by: input.by, waitMs: input.waitSeconds * 1000 };
        const erased = await database.use((it, epoch) =>
          it.lifecycle.erase(request, epoch, signal, (progress) => emit({ progress })),
        );
        return emit({ erased });
      },
    }),
    adminOperation({
      name: "purge-retained",
      input: purgeInput,
      async run({ retained }, { emit }) {
        const { id, retainedAt } = await purgeOnAnyServer(databases.all(), retained);
        return emit({ purged: { name: retained, schema: id, retainedAt } });
      },
    }),
    adminOperation({
      name: "audit-verify",
      input: verifyInput,
      async run({ tenant, whole, expected, anew }, { emit, signal }) {
        const { uid, database } = locate(tenant);
        const options = {
          from: whole ? ("start" as const) : ("anchor" as const),
          anew,
          expected: expected && { seq: expected.seq, hash: Buffer.from(expected.hash, "hex") },
          signal,
          progress: (progress: { rows: number; of: number }) => emit({ progress }),
        };
        const verified = await database.use((it, epoch) => it.lifecycle.verifyAudit({ uid }, epoch, options));
        await emit({ verified: { tenant, ...verified } });
      },
    }),
    adminOperation({
      name: "export",
      input: exportInput,
      async run(input, { emit, signal }) {
        const { uid, database } = locate(input.tenant);
        const subject = subjectOf(input);
        const decode = await rowDecoder(database, keyProvider, uid);
        await database.use((it) =>
          it.lifecycle.exportTenant({ uid, ...(subject ? { subject } : {}) }, { emit, signal, decode }),
        );
      },
    }),
  ];
}
