import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../../telemetry/log.ts";
import { SESSION_FOLDERS, SESSION_ID } from "./workspace.ts";

const EVERY_MS = 10 * 60_000;
const BATCH = 500;

export type KnownSessions = (ids: string[]) => Promise<Set<string>>;

/** Removes the directories of sessions that are no more. Follows no link. @returns how many */
export async function removeForgotten(workspace: string, known: KnownSessions): Promise<number> {
  const folder = join(workspace, SESSION_FOLDERS);
  const ids = (await readdir(folder).catch(() => [])).filter((it) => SESSION_ID.test(it));
  let removed = 0;
  for (let at = 0; at < ids.length; at += BATCH) {
    const batch = ids.slice(at, at + BATCH);
    const alive = await known(batch);
    for (const id of batch.filter((it) => !alive.has(it))) {
      await rm(join(folder, id), { recursive: true, force: true });
      removed++;
    }
  }
  return removed;
}

/** What a user left behind goes when the session goes: erased by hand or by retention. Looked at now and then; a failure waits for the next time. */
export function startSweep(workspace: string, known: KnownSessions, log: Logger): () => void {
  const sweep = async (): Promise<void> => {
    try {
      const removed = await removeForgotten(workspace, known);
      if (removed > 0) log.info({ removed }, "removed the files of sessions that are no more");
    } catch (err) {
      log.warn({ err }, "could not remove the files of sessions that are no more");
    }
  };
  void sweep();
  const timer = setInterval(sweep, EVERY_MS).unref();
  return () => clearInterval(timer);
}
