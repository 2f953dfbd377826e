import { join } from "node:path";
import type { Progress } from "../../src/telemetry/progress.ts";
import { Field } from "../support/field/field.ts";
import { bundledTestProgram } from "../support/field/program.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import type { Ground } from "./disturbances.ts";
import { Fleet } from "./fleet.ts";
import { type Ledger, startLedger } from "./ledger.ts";
import { Observer } from "./observer.ts";
import type { Path } from "./proxy.ts";
import { RESEARCHER, RULES, SUPPORT } from "./questions.ts";
import { Random } from "../support/random.ts";

export interface ChaosOptions {
  seed: number;
  /** What happens, by name, in this order. */
  disturbances: string[];
  runsInFlight: number;
  /** Between two disturbances, on average. */
  meanMs: number;
  /** Processes of each of the two agents. */
  pods: number;
  /** How a server is reached so that the way can be cut. */
  path: (name: string, port: number) => Promise<Path>;
  progress: Progress;
}

/** What is disturbed, and what tells how it bears that. */
export interface ChaosGround extends Ground {
  ledger: Ledger;
  /** A bearer token for each caller. */
  tokens: string[];
}

type AtEnd = (end: () => unknown) => void;

const agentProgram = (folder: string) => bundledTestProgram(join(import.meta.dirname, "agent.ts"), folder);

/** @param atEnd takes what is to be called in the end, the last first */
export async function prepareGround(options: ChaosOptions, atEnd: AtEnd): Promise<ChaosGround> {
  const random = new Random(options.seed);
  const { progress, runsInFlight } = options;
  const durable = { settings: { fsync: "on", full_page_writes: "on" } };
  const postgres = await progress.step("Postgres starts", () => startPostgres(durable));
  atEnd(() => postgres.stop());
  const field = await progress.step("the program is bundled, a tenant made", () =>
    Field.create(postgres, agentProgram),
  );
  atEnd(() => field.close());
  const tenant = await field.tenant("acme");
  const endpoint = await field.endpoint({ latencyMs: 100, chunkDelayMs: 25, chunks: "words", rules: RULES });
  const ledger = await startLedger(() => random.between(20, 800));
  atEnd(() => ledger.close());
  const paths = await cuttable(options, postgres, endpoint.url, atEnd);
  await field.publish(tenant, { ...tenant.connection, port: paths.database.port });
  const observer = new Observer(postgres.adminSettings(field.database), tenant.names.schema);
  atEnd(() => observer.close());
  const { ca, port } = ledger;
  const env = { AGENTPG_STALL_SECONDS: "3", CHAOS_LEDGER: JSON.stringify({ ca, port }) };
  const fleet = new Fleet(field, tenant, env, random);
  atEnd(() => fleet.stop());
  await progress.step("the agents start", () => startAgents(fleet, options.pods, paths.model.port));
  const tokens = await Promise.all(Array.from({ length: runsInFlight }, (_, n) => tenant.issuer.token(`caller-${n}`)));
  return { postgres, fleet, observer, endpoint, ...paths, random, ledger, tokens };
}

async function cuttable({ path }: ChaosOptions, postgres: TestPostgres, endpointUrl: string, atEnd: AtEnd) {
  const database = await path("database", postgres.port);
  const model = await path("model", Number(new URL(endpointUrl).port));
  atEnd(() => Promise.all([database.close(), model.close()]));
  return { database, model };
}

async function startAgents(fleet: Fleet, pods: number, modelPort: number): Promise<void> {
  const anthropicBaseUrl = `http://127.0.0.1:${modelPort}`;
  for (const agent of [SUPPORT, RESEARCHER]) fleet.keep({ ...agent, anthropicBaseUrl }, pods);
  for (const { agent } of [SUPPORT, RESEARCHER]) await fleet.untilUp(agent.name, pods);
}
