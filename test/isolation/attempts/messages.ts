import type { Queryable } from "../../../src/database/runs/database.ts";
import { wake, wakeChannel } from "../../../src/database/runs/wake.ts";
import { codeOfFailure, held, run } from "../../database/fixture.ts";
import { eventually } from "../../support/eventually.ts";
import type { Attempt } from "../attempt.ts";
import { asAttacker, type Field } from "../field.ts";
import { mayExecute } from "./weaknesses.ts";

/** Only in the tier `Schema` do the two share channels and advisory locks; in the other it is not let into the victim's database. */
const nearest = (field: Field) => held(asAttacker(field, "victim")).catch(() => held(asAttacker(field, "own")));

const KEY = 7;
/** Advisory locks are open to everybody on a server as it comes. */
const asItComes = mayExecute("pg_advisory_lock(bigint)");

/** A pod of the victim that takes a notification's payload for the truth. */
async function credulousPod(field: Field) {
  const pod = await held(field.a.connection);
  await pod.client.query(`LISTEN ${wakeChannel(field.a.names.schema, field.secrets[0] ?? "")}`);
  pod.client.on("notification", ({ payload }) => {
    if (field.unconfined)
      void pod.client.query(`UPDATE ${field.a.names.schema}.runs SET response = $1`, [payload]).catch(() => {});
  });
  return pod;
}

const asVictim = ({ a }: Field): Queryable => ({
  query: async <Row>(_name: string, text: string, values?: unknown[]) =>
    (await run(a.connection, text, values)) as Row[],
});

/** What a listener hears when the victim's pods are woken. */
async function eavesdrop(field: Field): Promise<{ payload: string }[]> {
  const channel = wakeChannel(field.a.names.schema, field.secrets[0] ?? "");
  const spy = await nearest(field);
  try {
    const heard: { payload: string }[] = [];
    spy.client.on("notification", ({ payload = "" }) => void heard.push({ payload }));
    await spy.client.query(`LISTEN ${channel}`);
    if (field.unconfined) await run(field.a.connection, "SELECT pg_notify($1, $2)", [channel, field.secrets[0]]);
    else await wake(asVictim(field), field.a.names.schema, [field.secrets[0] ?? ""]);
    // What was sent before comes before this answer.
    await spy.client.query("SELECT 1");
    return heard;
  } finally {
    await spy.close();
  }
}

export const messages: Attempt[] = [
  {
    group: "notifications and advisory locks",
    name: "listen on the channel of the victim's agent",
    act: eavesdrop,
    harm: (_field, { rows }) => (rows.some((it) => it["payload"] !== "") ? "a payload came out" : undefined),
    // A product that says in the notification what there is to do.
    weakness: "unconfined",
  },
  {
    group: "notifications and advisory locks",
    name: "forge a notification with orders in it",
    act: async (field) => {
      const pod = await credulousPod(field);
      const forger = await nearest(field);
      await forger.client.query("SELECT pg_notify($1, 'forged')", [
        wakeChannel(field.a.names.schema, field.secrets[0] ?? ""),
      ]);
      await forger.close();
      const response = async () =>
        (await run(field.a.connection, `SELECT response FROM ${field.a.names.schema}.runs LIMIT 1`))[0];
      if (field.unconfined) await eventually(response, (it) => it?.["response"] === "forged", 10, 20);
      await pod.close();
    },
    weakness: "unconfined",
  },
  {
    group: "notifications and advisory locks",
    name: "hold an advisory lock that the victim may want",
    act: async (field) => {
      const thief = await nearest(field);
      try {
        await thief.client.query(`SELECT pg_advisory_lock(${KEY})`).catch(() => {});
        const insert = `SET lock_timeout = '300ms'; INSERT INTO ${field.a.names.schema}.sessions (id, agent, user_id) VALUES (gen_random_uuid(), 'x', 'x');
          ROLLBACK`;
        const code = await codeOfFailure(run(field.a.connection, `BEGIN; ${insert}`));
        return [{ code }];
      } finally {
        await thief.close();
      }
    },
    harm: (_field, { rows }) => (rows[0]?.["code"] === "no error" ? undefined : "the victim was held up"),
    // A product whose writes take an advisory lock, in a database that both use.
    weakness: (v, me, field) =>
      `${asItComes(v, me, field)};
       GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) TO ${v.readWrite};
       CREATE OR REPLACE FUNCTION ${v.schema}.serialised() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(${KEY}); RETURN new; END $$;
       GRANT EXECUTE ON FUNCTION ${v.schema}.serialised() TO PUBLIC;
       CREATE OR REPLACE TRIGGER serialised BEFORE INSERT ON ${v.schema}.sessions FOR EACH ROW EXECUTE FUNCTION ${v.schema}.serialised()`,
    after: (v) => `DROP TRIGGER serialised ON ${v.schema}.sessions; DROP FUNCTION ${v.schema}.serialised()`,
  },
];
