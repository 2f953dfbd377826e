import { TranscriptUnreadable } from "../../database/encryption/errors.ts";
import { batchCreated, giveUpGroup, refuseGroup, runsForBatch, wakeRuns } from "../../database/runs/batches.ts";
import { compactableConversation } from "../../database/runs/compactable.ts";
import { patiently } from "../../database/runs/patiently.ts";
import { classifyModelError } from "../model/failure.ts";
import type { ModelRequest } from "../model/client.ts";
import { worstOf } from "../engine/worst-case.ts";
import { uuidv7 } from "../uuid.ts";
import { intend } from "./budget.ts";
import { customId } from "./custom-id.ts";
import type { BatchHost } from "./host.ts";
import { refusalMark, wasNotDone } from "./refusal.ts";

interface Asking {
  run: string;
  request: ModelRequest;
}

/** What became of a submission; `busy`: nothing was created, and the next attempt is not to come sooner. */
export interface Submitted {
  runs: number;
  busyMs?: number;
  batch?: { group: string; batchId: string };
}
const NOTHING: Submitted = { runs: 0 };

/**
 * Puts the oldest waiting runs into one batch. First it is committed that exactly these are about to be submitted, then they are,
 * once, then what the batch is called is committed. Who dies in between leaves a group without a batch: see `recover.ts`.
 */
export async function submitBatch(host: BatchHost): Promise<Submitted> {
  const { db, config, settings } = host;
  const agent = config.agent.name;
  const asking = await requestsOf(host, await runsForBatch(db, agent, settings.most));
  if (asking.length === 0) return NOTHING;
  const group = uuidv7();
  const begun = performance.now();
  const ours = await intend(
    host,
    group,
    asking.map(({ run, request }) => ({ id: run, ...worstOf(request, true) })),
  );
  const rest = asking.filter((it) => !ours.has(it.run)).map((it) => it.run);
  if (rest.length > 0) await wakeRuns(db, rest, settings.noRoomMs / 1000); // there was no room for them in the budget, or they were taken
  if (ours.size === 0) return NOTHING;
  if (performance.now() - begun > settings.submitMs) return NOTHING; // too late: somebody else may already find out what became of it
  return create(
    host,
    group,
    asking.filter((it) => ours.has(it.run)),
  );
}

async function requestsOf(host: BatchHost, runs: { id: string; sessionId: string }[]): Promise<Asking[]> {
  const asking: Asking[] = [];
  let bytes = 0;
  for (const { id, sessionId } of runs) {
    const request = await requestOf(host, id, sessionId);
    if (!request) continue;
    bytes += Buffer.byteLength(JSON.stringify(request));
    if (asking.length > 0 && bytes > host.settings.bytes) break;
    asking.push({ run: id, request });
  }
  return asking;
}

async function requestOf(
  { db, request }: BatchHost,
  run: string,
  sessionId: string,
): Promise<ModelRequest | undefined> {
  try {
    const messages = await compactableConversation(db, sessionId);
    return request(messages.map(({ role, content }) => ({ role, content })));
  } catch (error) {
    if (!(error instanceof TranscriptUnreadable)) throw error;
    await wakeRuns(db, [run], 0); // the worker that claims it ends it with the reason
    return undefined;
  }
}

async function create(host: BatchHost, group: string, asking: Asking[]): Promise<Submitted> {
  const { api, settings, log, metrics, config } = host;
  const requests = asking.map(({ run, request }) => ({ id: customId(run, group), request }));
  const key = host.health.key.fingerprint;
  let batch: string;
  try {
    batch = (await api.create(requests, settings.submitMs)).id;
  } catch (error) {
    return notCreated(host, group, error, key);
  }
  host.health.succeeded();
  metrics.batches.inc({ outcome: "submitted" });
  log.info({ batch, group, runs: asking.length, agent: config.agent.name }, "a batch was submitted");
  await noteBatch(host, group, batch);
  return { runs: asking.length, batch: { group, batchId: batch } };
}

/** Patient: as long as it is not written, the group counts as lost. */
async function noteBatch({ db, config, settings }: BatchHost, group: string, batch: string): Promise<void> {
  await patiently(() => batchCreated(db, config.agent.name, group, batch), settings.submitMs);
}

async function notCreated(host: BatchHost, group: string, error: unknown, key: string | null): Promise<Submitted> {
  const { db, config, health, log, metrics, settings } = host;
  const agent = config.agent.name;
  const failure = classifyModelError(error, config.model);
  metrics.modelFailed(failure);
  if (!wasNotDone(error)) {
    metrics.batches.inc({ outcome: "unanswered" });
    log.warn(
      { group, err: error as Error },
      "a submission got no answer: it will be found out whether the batch is there",
    );
    return NOTHING;
  }
  health.failed(failure);
  metrics.batches.inc({ outcome: "refused" });
  if (failure.kind !== "fatal") {
    await giveUpGroup(db, agent, group);
    return { runs: 0, busyMs: (failure.kind === "busy" ? failure.retryAfterMs : undefined) ?? settings.busyMs };
  }
  await host.refreshKey();
  if (failure.type.startsWith("api_key") && health.key.fingerprint !== key) {
    await giveUpGroup(db, agent, group);
    return NOTHING;
  }
  await refuseGroup(db, agent, group, refusalMark(error));
  host.wake();
  return NOTHING;
}
