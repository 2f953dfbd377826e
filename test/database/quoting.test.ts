import * as fc from "fast-check";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { roleName, schemaName, tenantDatabaseNames } from "../../src/api/names.ts";
import { clientOptions } from "../../src/database/connection.ts";
import { catalogIdentifier, catalogName, identifier, literal } from "../../src/database/quote.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
let client: Client;
beforeAll(async () => {
  postgres = await startPostgres();
  client = new Client(clientOptions(postgres.adminSettings(), "test"));
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await postgres?.stop();
});

/** Texts with what quoting gets wrong, at most 63 bytes: what Postgres keeps of a name. */
const nasty = fc.oneof(
  fc.string({
    unit: fc.constantFrom('"', '""', "'", "\\", ";", "--", "/*", "$1", "$$", "\n", " ", "%I", "é", "名", "x", "PUBLIC"),
    minLength: 1,
    maxLength: 12,
  }),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 10 }),
);
const isName = (text: string) => Buffer.byteLength(text) <= 63 && !text.includes("\0") && text.isWellFormed();

test("whatever name the catalog holds, it is one identifier and nothing more", async () => {
  await fc.assert(
    fc.asyncProperty(nasty.filter(isName), async (name) => {
      const { fields, rows } = await client.query(`SELECT 1 AS ${catalogIdentifier(catalogName(name))}`);
      expect(fields.map((it) => it.name)).toEqual([name]);
      expect(rows).toHaveLength(1);
    }),
    { numRuns: 300 },
  );
});

test("whatever name the catalog holds, Postgres reads the same name back, reserved words and case included", async () => {
  const words = fc.constantFrom("user", "select", "Public", "PUBLIC", "pg_catalog", "x".repeat(63), "é".repeat(31));
  await fc.assert(
    fc.asyncProperty(fc.oneof(nasty.filter(isName), words), async (name) => {
      const text = `${catalogIdentifier(catalogName("a b"))}.${catalogIdentifier(catalogName(name))}`;
      expect((await client.query("SELECT parse_ident($1) AS it", [text])).rows).toEqual([{ it: ["a b", name] }]);
    }),
    { numRuns: 300 },
  );
});

test("whatever text a literal holds, it is that text", async () => {
  await fc.assert(
    fc.asyncProperty(nasty.filter(isName), async (text) => {
      fc.pre(!text.includes("\\"));
      expect((await client.query(`SELECT ${literal(text)} AS it`)).rows).toEqual([{ it: text }]);
    }),
    { numRuns: 300 },
  );
});

test("a literal with a backslash or a NUL is refused", () => {
  for (const text of ["\\", "a\\'b", "\0"]) expect(() => literal(text)).toThrow(TypeError);
});

test("only well-formed tenant names become brands", () => {
  fc.assert(
    fc.property(fc.oneof(nasty, fc.stringMatching(/^t_[0-9a-f]{10,14}(_data|_owner|_rw|_a)?$/)), (text) => {
      const made = (brand: (value: string) => Parameters<typeof identifier>[0]) => {
        try {
          return identifier(brand(text));
        } catch (error) {
          return error instanceof TypeError;
        }
      };
      expect(made(schemaName)).toBe(/^t_[0-9a-f]{12}(_data)?$/.test(text) ? `"${text}"` : true);
      expect(made(roleName)).toBe(/^t_[0-9a-f]{12}_(owner|rw|tool|a|b)$/.test(text) ? `"${text}"` : true);
    }),
  );
  for (const near of ["t_0123456789ab\n", "T_0123456789AB", "t_0123456789ab_owner_"])
    expect(() => tenantDatabaseNames(near)).toThrow(TypeError);
});
