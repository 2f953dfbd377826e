import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tenantDatabaseNames } from "../../api/names.ts";
import { catalogName } from "../quote.ts";
import { beyondOperator } from "./beyond-operator.ts";
import { allRoles, desiredGrants, POLICY, policyExpression } from "./desired.ts";
import { applyToModel, emptyTenant, OPERATOR } from "./model.fixture.ts";
import { isOurs, isShared } from "./ownership.ts";
import { planTenant } from "./plan.ts";
import {
  type DesiredTenant,
  type Grant,
  type ObservedObject,
  type ObservedTenant,
  PUBLIC,
  type Securable,
} from "./state.ts";
import { describeStep } from "./step.ts";

const names = tenantDatabaseNames("t_0123456789ab");
const desired: DesiredTenant = { names, place: "shared", connectionLimit: 10, openLogins: ["a"] };
const converge = (observed: ObservedTenant) => applyToModel(observed, planTenant(observed, desired), names);

/** Names that drift can bring in: our roles, the operator, strangers. */
const anybody = fc.constantFrom(
  ...allRoles(names).map((it) => catalogName(it)),
  OPERATOR,
  catalogName("stranger"),
  catalogName('odd "name"'),
);
const aGrant: fc.Arbitrary<Grant> = fc.record({
  grantee: fc.oneof(anybody, fc.constant(PUBLIC)),
  privilege: fc.constantFrom(
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "USAGE",
    "CREATE",
    "EXECUTE",
    "CONNECT",
  ),
  grantable: fc.boolean(),
});
const someGrants = (owner: string) =>
  fc
    .uniqueArray(aGrant, { maxLength: 6, selector: (it) => `${it.grantee} ${it.privilege}` })
    .map((all) => all.filter((it) => it.grantee !== owner));

const aSchema = fc.constantFrom(names.schema, names.dataSchema);
const aName = fc.constantFrom("things", "audit", "audit_head", "schema_version", "a b").map(catalogName);
const aSecurable: fc.Arbitrary<Securable> = fc.oneof(
  fc.constant<Securable>({ kind: "database", name: catalogName("db") }),
  fc.constant<Securable>({ kind: "publicSchema" }),
  aSchema.map((schema): Securable => ({ kind: "schema", schema })),
  fc
    .tuple(fc.constantFrom("table" as const, "view" as const, "sequence" as const), aSchema, aName)
    .map(([kind, schema, name]): Securable => ({ kind, schema, name })),
  fc
    .tuple(
      fc.option(aSchema, { nil: undefined }),
      fc.constantFrom("TABLES" as const, "SEQUENCES" as const, "FUNCTIONS" as const),
    )
    .map(([schema, objects]): Securable => ({ kind: "defaults", schema, objects })),
);
const anObject: fc.Arbitrary<ObservedObject> = fc.tuple(aSecurable, anybody).chain(([object, someone]) => {
  const owner = object.kind === "defaults" ? catalogName(names.owner) : someone;
  return fc.record({
    object: fc.constant(object),
    owner: fc.constant(owner),
    grants: someGrants(owner),
    columnGrants: object.kind === "table" ? someGrants(owner) : fc.constant([]),
  });
});
const aPolicy = fc.record({
  name: fc.constantFrom(POLICY, 'other "policy"').map(catalogName),
  command: fc.constantFrom("*", "r"),
  permissive: fc.boolean(),
  forPublic: fc.boolean(),
  using: fc.constantFrom("true", policyExpression(names), null),
  check: fc.constantFrom("true", policyExpression(names), null),
});
const aRole = fc.record({
  name: fc.constantFrom(...allRoles(names)),
  superuser: fc.boolean(),
  createRole: fc.boolean(),
  createDatabase: fc.boolean(),
  replication: fc.boolean(),
  bypassRls: fc.boolean(),
  login: fc.boolean(),
  expires: fc.boolean(),
  connectionLimit: fc.integer({ min: -1, max: 20 }),
  settings: fc.dictionary(
    fc.constantFrom("search_path", "statement_timeout", "work_mem"),
    fc.constantFrom("public", "0"),
  ),
  ownSettings: fc.subarray(["work_mem", "role"]),
  databaseSettings: fc.subarray(["search_path", "lock_timeout", "work_mem"]),
});

const anything: fc.Arbitrary<ObservedTenant> = fc.record({
  operator: fc.record({ name: fc.constant(OPERATOR), superuser: fc.boolean() }),
  roles: fc.uniqueArray(aRole, { selector: (it) => it.name }),
  memberships: fc.uniqueArray(
    fc.record({
      role: anybody,
      member: anybody,
      grantor: fc.constantFrom(OPERATOR, catalogName(names.owner), catalogName("postgres")),
      admin: fc.boolean(),
      inherit: fc.boolean(),
      set: fc.boolean(),
    }),
    { selector: (it) => `${it.role} ${it.member} ${it.grantor}`, maxLength: 8 },
  ),
  objects: fc.uniqueArray(anObject, { selector: (it) => JSON.stringify(it.object), maxLength: 12 }),
  rowSecurity: fc.uniqueArray(
    fc.record({
      schema: fc.constant(names.schema),
      table: aName,
      enabled: fc.boolean(),
      forced: fc.boolean(),
      policies: fc.uniqueArray(aPolicy, { selector: (it) => it.name }),
    }),
    { selector: (it) => it.table },
  ),
  ownDatabase: fc.constant(undefined),
});

describe("planTenant", () => {
  test("after the plan was applied there is nothing left to do, whatever was there", () => {
    fc.assert(
      fc.property(anything, (observed) => {
        expect(planTenant(converge(observed), desired)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  test("from nothing, one plan makes a tenant that needs no superuser", () => {
    const made = converge(emptyTenant(names));
    expect(planTenant(made, desired)).toEqual([]);
    expect(beyondOperator(made, desired)).toEqual([]);
    expect(made.roles.map((it) => [it.name, it.login, it.connectionLimit])).toEqual([
      [names.owner, false, -1],
      [names.readWrite, false, -1],
      [names.tool, false, -1],
      [names.logins.a, true, 10],
      [names.logins.b, false, 10],
    ]);
  });

  test("whatever was there, the rights on what the operator can have are exactly the desired ones, and none can be passed on", () => {
    fc.assert(
      fc.property(anything, (observed) => {
        const ours = converge(observed).objects.filter((it) => isShared(it.object) || isOurs(observed, desired, it));
        for (const { object, grants, columnGrants } of ours) {
          const wanted = desiredGrants(names, object).flatMap((it) =>
            it.privileges.map((one) => `${it.grantee} ${one} false`),
          );
          const text = (it: Grant) => `${it.grantee} ${it.privilege} ${it.grantable}`;
          const others = (it: Grant) => it.grantee !== names.owner;
          expect(grants.filter(others).map(text).toSorted()).toEqual(wanted.toSorted());
          expect(wanted).toEqual(expect.arrayContaining(columnGrants.filter(others).map(text)));
        }
      }),
      { numRuns: 500 },
    );
  });

  test("what the plan leaves out is told, and a superuser leaves nothing out", () => {
    fc.assert(
      fc.property(anything, (observed) => {
        expect(beyondOperator({ ...observed, operator: { name: OPERATOR, superuser: true } }, desired)).toEqual([]);
        const left = converge(observed).roles.filter((it) => it.superuser || it.bypassRls || it.replication);
        for (const role of left) expect(beyondOperator(observed, desired).join()).toContain(role.name);
      }),
    );
  });

  test("default privileges are set before there is a table, the database last", () => {
    const kinds = planTenant(emptyTenant(names), desired).map((step) =>
      "object" in step ? step.object.kind : step.kind,
    );
    expect(kinds.indexOf("defaults")).toBeGreaterThan(kinds.indexOf("createSchema"));
    expect(kinds.lastIndexOf("defaults")).toBeLessThan(kinds.indexOf("database"));
  });

  test("each step has a sentence", () => {
    fc.assert(
      fc.property(anything, (observed) => {
        for (const step of planTenant(observed, desired)) expect(describeStep(step)).toMatch(/^[a-z]+ .+/);
      }),
    );
  });
});
