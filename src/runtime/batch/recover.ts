import { batchCreated, type BatchGroup, giveUpGroup } from "../../database/runs/batches.ts";
import type { BatchApi, BatchInfo } from "../model/batch-api.ts";
import { isOfGroup } from "./custom-id.ts";
import type { BatchHost } from "./host.ts";

/** How far the clocks of the database and of the API may be apart. */
const SKEW_MS = 5 * 60_000;

/**
 * Finds out what became of a group whose submission nobody has heard the answer of, and never submits twice meanwhile. The API names
 * the requests of a batch only in its results: while a batch of the account may be the group's, the group waits for that batch to
 * end (24 hours at most, by the API's own limit).
 * @param known batches that are other groups'
 * @param strangers batches that were looked into for this group; added to
 */
export async function recoverGroup(
  host: BatchHost,
  { group, runs, age }: BatchGroup & { group: string },
  known: ReadonlySet<string>,
  strangers: Set<string>,
): Promise<"adopted" | "given_up" | "held"> {
  const { api, db, config, settings, log, metrics } = host;
  const agent = config.agent.name;
  const submitted = Date.now() - age * 1000;
  const mayBeOurs = ({ id, createdAt, requests }: BatchInfo): boolean =>
    requests >= runs &&
    createdAt <= submitted + 2 * settings.submitMs + SKEW_MS &&
    !known.has(id) &&
    !strangers.has(id);
  const candidates = (await api.createdSince(submitted - SKEW_MS)).filter(mayBeOurs);
  for (const { id } of candidates.filter((it) => it.ended)) {
    if (!(await isBatchOf(group, api.results(id)))) {
      strangers.add(id);
      continue;
    }
    await batchCreated(db, agent, group, id);
    metrics.batches.inc({ outcome: "recovered" });
    log.info({ group, batch: id }, "a batch was found again whose submission had got no answer");
    return "adopted";
  }
  if (candidates.some((it) => !it.ended)) return "held";
  await giveUpGroup(db, agent, group);
  metrics.batches.inc({ outcome: "not_created" });
  log.info({ group, runs }, "a submission had not arrived: its runs are submitted again");
  return "given_up";
}

/** All requests of a batch are of one group: the first one tells, and no more is read. */
async function isBatchOf(group: string, results: ReturnType<BatchApi["results"]>): Promise<boolean> {
  for await (const [id] of results) return isOfGroup(id, group);
  return false;
}
