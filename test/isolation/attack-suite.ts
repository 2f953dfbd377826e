import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeDatabases, run } from "../database/fixture.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { type Attempt, harmOf, make, succeeded, takeDown } from "./attempt.ts";
import { ATTEMPTS } from "./attempts/index.ts";
import { DENIED } from "./attempts/weaknesses.ts";
import { asAttacker, closeFields, type Field, openField, sqlOf, superuser, type Tier } from "./field.ts";
import { fingerprint, type Fingerprint } from "./fingerprint.ts";
import { harden } from "./hardening.ts";
import { renewed } from "./renewed.ts";
import { VISIBLE } from "./visible.ts";

/** Every attempt against tenants as they are meant to be, and again after the wall that it meets was taken down. */
export function attackSuite(tier: Tier): void {
  let postgres: TestPostgres;
  /** As it is meant to be. */
  let strong: Field;
  /** For what takes walls down. */
  let weak: Field;
  let before: Fingerprint;

  beforeAll(async () => {
    postgres = await startPostgres({ settings: { temp_file_limit: "4MB" } });
    await harden(postgres);
    [strong, weak] = await Promise.all([openField(postgres, tier), openField(postgres, tier)]);
    before = await fingerprint(strong);
  });
  afterAll(async () => {
    await closeFields();
    await closeDatabases();
    await postgres?.stop();
  });

  /** In the tier `Database` the login does not even get into the others' databases. */
  const codesOf = ({ refused = [], where = "victim" }: Attempt): string[] =>
    tier === "Database" && where !== "own" ? [...refused, DENIED] : refused;

  /** What is wrong with how it ended; undefined: nothing. */
  async function breach(attempt: Attempt, field: Field): Promise<string | undefined> {
    if (!attempt.refused) return harmOf(attempt, field);
    const { code = "no error", message } = await make(attempt, field);
    return codesOf(attempt).includes(code) ? undefined : `${code} ${message ?? ""}`;
  }

  /** Attempts that need something or spoil something do so to an attacker of their own. */
  async function attempted(attempt: Attempt): Promise<string | undefined> {
    const { given, spoils = false } = attempt;
    if (!given && !spoils) return breach(attempt, strong);
    if (spoils) weak = await renewed(weak, true);
    // What weakened runs left of the victim's walls.
    if (given) await weak.leader.database.ensure(weak.a.request, weak.leader.epoch);
    if (given) await takeDown(attempt, weak, given);
    return breach(attempt, weak).finally(async () => (weak = await renewed(weak, spoils)));
  }

  /** Why the attempt is stopped although its wall is down; undefined: it is not. */
  async function stillStopped(attempt: Attempt): Promise<string | undefined> {
    if (!attempt.refused) return (await harmOf(attempt, weak)) ? undefined : "no harm was noticed";
    const outcome = await make(attempt, weak);
    return succeeded(attempt, outcome) ? undefined : `${outcome.code ?? "no rows"} ${outcome.message ?? ""}`;
  }

  async function weakened(attempt: Attempt): Promise<string | undefined> {
    const { given, weakness, after, where = "victim", weaknessAt = where, spoils = false } = attempt;
    if (given) await takeDown(attempt, weak, given);
    if (weakness === "unconfined") weak = { ...weak, unconfined: true };
    await takeDown(attempt, weak, weakness === "unconfined" ? () => "" : weakness);
    return stillStopped(attempt).finally(async () => {
      if (after) await superuser(weak, weaknessAt).query(sqlOf(weak, after));
      weak = await renewed(weak, spoils);
    });
  }

  const titled = ATTEMPTS.map((attempt) => ({ attempt, title: `${attempt.group}: ${attempt.name}` }));

  describe(`isolation ${tier}: a tenant's login is stopped`, () => {
    test.each(titled)("$title", async ({ attempt }) => {
      expect(await attempted(attempt)).toBeUndefined();
    });

    test("after all attempts the victim, the registry and everybody's rights are as before", async () => {
      expect(await fingerprint(strong)).toEqual(before);
    });

    test("the operator finds nothing to repair but what the attacker may do to itself", async () => {
      const { database, epoch } = strong.leader;
      expect((await database.ensure(strong.a.request, epoch)).steps).toEqual([]);
      expect((await database.ensure(strong.b.request, epoch)).steps).toEqual([]);
    });
  });

  describe(`isolation ${tier}: Postgres shows to every login, as docs/security.md says`, () => {
    test.each(VISIBLE)("$what", async ({ tiers, sql }) => {
      const seen = await run(asAttacker(strong, "own"), sqlOf(strong, sql)).catch(() => []);
      expect(seen.length > 0).toBe(tiers.includes(tier));
    });
  });

  describe(`isolation ${tier}: without the wall it gets through, or the harm is noticed`, () => {
    test.each(titled)("$title", async ({ attempt }) => {
      expect(await weakened(attempt)).toBeUndefined();
    });
  });
}
