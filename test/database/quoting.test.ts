import fc from "fast-check";
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

test("whatever text a literal holds, it is that text, or it is refused", async () => {
  await fc.assert(
    fc.asyncProperty(nasty.filter(isName), async (text) => {
      if (/[\\\0]/.test(text)) expect(() => literal(text)).toThrow(TypeError);
      else expect((await client.query(`SELECT ${literal(text)} AS it`)).rows).toEqual([{ it: text }]);
    }),
    { numRuns: 300 },
  );
});

test("only well-formed tenant names become brands", () => {
  fc.assert(
    fc.property(fc.oneof(nasty, fc.stringMatching(/^t_[0-9a-f]{10,14}(_data|_owner|_rw|_a)?$/)), (text) => {
      for (const [brand, pattern] of [
        [schemaName, /^t_[0-9a-f]{12}(_data)?$/],
        [roleName, /^t_[0-9a-f]{12}_(owner|rw|tool|a|b)$/],
      ] as const) {
        if (pattern.test(text)) expect(identifier(brand(text))).toBe(`"${text}"`);
        else expect(() => brand(text)).toThrow(TypeError);
      }
    }),
  );
  for (const near of ["t_0123456789ab\n", "T_0123456789AB", "t_0123456789ab_owner_"])
    expect(() => tenantDatabaseNames(near)).toThrow(TypeError);
});
