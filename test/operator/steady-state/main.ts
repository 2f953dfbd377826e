// Two operators, Tenants and Agents that nobody changes, many resyncs, and restarts: nothing is written but the Lease and the leader's epoch, as
// the API server's audit log and pg_stat_statements tell it.
//   npm run test:steady-state [-- --minutes 10] [--tenants 10] [--agents 50]      the last line is one JSON object
// Exits with 1 when anything else was written. A short version of it is in test/operator/convergence.test.ts.
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AGENT, TENANT } from "../../../src/operator/caches.ts";
import { terminalProgress } from "../../../src/telemetry/progress.ts";
import { anAgent, aTenant } from "../../support/builders.ts";
import { problems } from "../../support/convergence/problems.ts";
import { reconciles, workedOff } from "../../support/convergence/worked-off.ts";
import { type ConvergenceWorld, startConvergenceWorld } from "../../support/convergence/world.ts";
import { writesDuring } from "../../support/convergence/writes.ts";
import { eventually } from "../../support/eventually.ts";
import { readyPods } from "../../support/ready-pods.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    tenants: { type: "string", default: "10" },
    agents: { type: "string", default: "50" },
  },
});
const whole = (name: keyof typeof values) => {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} takes a whole number from 1 on`);
  return number;
};
const [minutes, tenants, agents] = [whole("minutes"), whole("tenants"), whole("agents")];
/** The least that there is, so that many fall into the time. */
const RESYNC_SECONDS = 5;
const RESTART_EVERY_SECONDS = 60;
const progress = terminalProgress(process.stderr, 30_000);

async function makeAll({ harness }: ConvergenceWorld): Promise<void> {
  for (let n = 0; n < tenants; n++) {
    const isolation = n % 5 === 4 ? "Database" : "Schema";
    await harness.prepareTenantNamespace(`tenant-${n}`, `tenant-${n}`);
    await harness.apply(TENANT, aTenant(`tenant-${n}`, { database: { isolation } }));
  }
  for (let n = 0; n < agents; n++)
    await harness.apply(AGENT, anAgent(`tenant-${n % tenants}`, `agent-${n}`, { replicas: 1 + (n % 2) }));
  const ready = ({ status }: { status?: { readyReplicas?: number } }) => (status?.readyReplicas ?? 0) > 0;
  await eventually(
    async () => (await harness.client.list<{ status?: { readyReplicas?: number } }>(AGENT)).filter(ready).length,
    (count) => count === agents,
    300,
  );
  await eventually(
    () => problems(harness),
    (found) => found.length === 0,
    60,
  );
}

/** Of the two, the one that leads is stopped and killed by turns; each time the other looks at everything. */
async function rest(world: ConvergenceWorld, until: number): Promise<{ restarts: number; looks: number }> {
  let restarts = 0;
  let looks = 0;
  for (;;) {
    await sleep(Math.min(RESTART_EVERY_SECONDS * 1000, Math.max(0, until - Date.now())));
    const { leader, follower } = await world.roles();
    looks += await reconciles(leader);
    if (Date.now() >= until) return { restarts, looks };
    leader.process.signal(restarts++ % 2 === 0 ? "SIGTERM" : "SIGKILL");
    await eventually(
      async () => (await world.roles()).leader.name,
      (name) => name === follower.name,
    );
    await workedOff(follower, agents);
  }
}

const world = await progress.step("the API server, Postgres and two operators start", () =>
  startConvergenceWorld({ resyncSeconds: RESYNC_SECONDS }),
);
const pods = new AbortController();
const ready = readyPods(world.harness.client, pods.signal);
let written = 1;
try {
  await progress.step(`${agents} Agents of ${tenants} Tenants are made`, () => makeAll(world));
  await sleep(2 * RESYNC_SECONDS * 1000); // what pods report last is in the status by then
  let done = { restarts: 0, looks: 0 };
  const { others, ...more } = await progress.step(`nothing happens for ${minutes} min`, () =>
    writesDuring(world, async () => void (done = await rest(world, Date.now() + minutes * 60_000))),
  );
  for (const other of others) progress.note(other);
  written = others.length;
  console.log(JSON.stringify({ writes: written, minutes, tenants, agents, ...done, ...more }));
} finally {
  pods.abort();
  await ready;
  await world.stop();
}
// Said aloud: the Postgres package has a hook at the end of the process that makes it 0.
process.exit(written > 0 ? 1 : 0);
