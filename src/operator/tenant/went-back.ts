import type { Tenant } from "../../api/tenant.ts";
import type { EnsuredTenant } from "../../database/tenants.ts";

type Known = Pick<Tenant["status"], "schema" | "schemaVersion" | "passwordChangedAt">;
type Found = Pick<EnsuredTenant, "id" | "created"> & {
  migrations: Pick<EnsuredTenant["migrations"], "from">;
  record: Pick<EnsuredTenant["record"], "passwordChangedAt">;
};

/** A status keeps whole seconds. */
const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);

/**
 * What shows that the database is older than what the operator said of this Tenant before: it was restored from a backup, or
 * another one is in its place. Undefined when nothing does. Pure.
 */
export function wentBack(known: Known, found: Found): string | undefined {
  const facts = [...lostSchema(known, found), ...(found.created ? [] : olderParts(known, found))];
  if (facts.length === 0) return undefined;
  return `${facts.join("; ")}: the database was restored from an older backup, or is another one than before`;
}

function lostSchema({ schema }: Known, { id, created }: Found): string[] {
  if (schema === undefined || schema === id) return [];
  return created
    ? [
        `schema ${schema} of this Tenant is not in the database any more, and it begins anew with the empty schema ${id}`,
      ]
    : [`the database has schema ${id} for this Tenant, which had ${schema} before`];
}

function olderParts({ schemaVersion = 0, passwordChangedAt }: Known, { migrations, record }: Found): string[] {
  const at = record.passwordChangedAt;
  const isOlder = passwordChangedAt !== undefined && (!at || secondsOf(at) < secondsOf(new Date(passwordChangedAt)));
  return [
    ...(migrations.from < schemaVersion
      ? [`the schema was found at migration ${migrations.from}, it had been at ${schemaVersion}`]
      : []),
    ...(isOlder ? ["the password of its login is an earlier one, and is replaced"] : []),
  ];
}
