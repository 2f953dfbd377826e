import { setTimeout as sleep } from "node:timers/promises";
import { openMeter } from "../tenants/statements.ts";
import { userName, type World } from "./world.ts";

/** What an operator does where nothing changes: writes must be none, neither to the API server nor to Postgres. */
export async function steadyState(world: World, seconds: number) {
  const operatorDatabase = world.postgres.adminSettings("postgres");
  const meter = await openMeter(operatorDatabase);
  try {
    await world.audit.mark();
    const cost = await meter.measure(() => sleep(seconds * 1000));
    const requests = await world.audit.requestsSince(userName("operator"));
    return {
      steadyStateWrites: requests.writes + cost.writes,
      steadyStateSeconds: seconds,
      steadyStateApiReads: requests.all - requests.writes,
      steadyStateApiRequests: requests.by,
      steadyStateStatements: cost.statements,
    };
  } finally {
    await meter.close();
  }
}
