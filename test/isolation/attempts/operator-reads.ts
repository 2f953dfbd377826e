import { deadline } from "../deadline.ts";
import { run } from "../../database/fixture.ts";
import type { Attempt } from "../attempt.ts";
import { asAttacker, type Field, superuser } from "../field.ts";
import { mayCreateInOwnSchema } from "./weaknesses.ts";

const PROBLEM = `jsonb_build_object('reason', 'Broken', 'message', '')`;

/** Reports that the operator would believe or choke on, written with the tenant's own login. */
const REPORTS = {
  "a report of a megabyte": `jsonb_build_object('pod', 'x', 'credentials', '', 'problem', ${PROBLEM}, 'more', repeat('x', 1000000))`,
  "a report with a pod's name that is none": `jsonb_build_object('pod', repeat('x', 300), 'credentials', '', 'problem', ${PROBLEM})`,
  "a report that is no object": `'[1, "x"]'::jsonb`,
  "a report with a reason that is none": `'{"pod": "x", "credentials": "", "problem": {"reason": "<b>", "message": ""}}'::jsonb`,
  "a report whose message is a page": `jsonb_build_object('pod', 'x', 'credentials', '', 'problem', jsonb_build_object('reason', 'Broken', 'message', repeat('x', 5000)))`,
};

/** What the operator takes from the table; unconfined: whatever is in it. */
async function believed(field: Field): Promise<unknown[]> {
  const { schema } = field.b.names;
  if (field.unconfined) {
    const { rows } = await superuser(field, "own").query(`SELECT report FROM ${schema}.workers WHERE agent = 'forged'`);
    return rows;
  }
  const problems = await deadline(field.leader.database.reportedProblems(field.b.request), 20_000);
  return problems.filter(({ agent }) => agent === "forged");
}

const confuse = (name: string, report: string): Attempt => ({
  group: "what the operator reads",
  name: `write ${name}`,
  where: "own",
  act: async (field) => {
    const { schema } = field.b.names;
    await run(
      asAttacker(field, "own"),
      `DELETE FROM ${schema}.workers; INSERT INTO ${schema}.workers (id, agent, expires_at, started_at, report)
       SELECT gen_random_uuid(), 'forged', 'infinity', 'infinity', ${report} FROM generate_series(1, 20)`,
    );
    return believed(field);
  },
  harm: (_field, { rows, message }) => (rows.length > 0 ? `${rows.length} were believed` : message),
  weakness: "unconfined",
});

export const operatorReads: Attempt[] = [
  ...Object.entries(REPORTS).map(([name, report]) => confuse(name, report)),
  {
    group: "what the operator reads",
    name: "report for the victim's agent from its own table",
    where: "own",
    act: async (field) => {
      const { schema } = field.b.names;
      const agent = field.secrets[0];
      const where = field.unconfined ? field.a.connection : asAttacker(field, "own");
      const into = field.unconfined ? field.a.names.schema : schema;
      await run(
        where,
        `INSERT INTO ${into}.workers (id, agent, expires_at, report)
         VALUES (gen_random_uuid(), '${agent}', 'infinity', '{"pod": "forged", "credentials": "", "problem": {"reason": "Broken", "message": ""}}')`,
      );
      return field.leader.database.reportedProblems(field.a.request);
    },
    harm: (_field, { rows, message }) => (rows.some((it) => it["pod"] === "forged") ? "it was believed" : message),
    weakness: "unconfined",
  },
  {
    group: "what the operator reads",
    name: "have the operator look at another schema as its own",
    where: "own",
    act: (field) =>
      run(asAttacker(field, "own"), `ALTER ROLE ${field.b.connection.user} SET search_path = agentpg_operator, public`),
    harm: async (field) => {
      const { steps } = await field.leader.database.ensure(field.b.request, field.leader.epoch);
      const [step] = steps;
      return steps.length === 1 && step?.kind === "setRoleSetting" ? undefined : JSON.stringify(steps);
    },
    // A right too many is another thing to repair.
    weakness: mayCreateInOwnSchema,
  },
];
