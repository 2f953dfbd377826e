import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../telemetry/progress.ts";
import { cacheFolder, exists } from "./cache.ts";
import { buildTools, goFolder } from "./go-build.ts";
import { hashOf } from "./hash.ts";
import { withLock } from "./lock.ts";
import { run } from "./run.ts";
import { linkerFlags, type Tool } from "./tool-list.ts";

/**
 * Where built tools are kept: one folder for each state of the Go module, so an upgrade builds anew
 * and another checkout's tools stay.
 */
export async function toolFolder(): Promise<string> {
  const files = (await readdir(goFolder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(goFolder.length + 1));
  return join(cacheFolder(), "tools", await hashOf([process.arch, linkerFlags], goFolder, files));
}

/** A client program's own version, as `[major, minor]`; `undefined` when it isn't installed. */
async function installedVersion(tool: Tool): Promise<[number, number] | undefined> {
  const question = { kubectl: ["version", "--client"], helm: ["version", "--short"] }[tool as string];
  if (question === undefined) return undefined;
  const answer = await run(tool, question).catch(() => "");
  const found = /v(\d+)\.(\d+)\./.exec(answer);
  return found ? [Number(found[1]), Number(found[2])] : undefined;
}

/** The oldest clients that will do; an older one is built. */
const oldestClient: Partial<Record<Tool, [number, number]>> = { kubectl: [1, 30], helm: [3, 17] };

async function onPath(tool: Tool): Promise<boolean> {
  const [oldest, installed] = [oldestClient[tool], oldestClient[tool] && (await installedVersion(tool))];
  if (!oldest || !installed) return false;
  return installed[0] > oldest[0] || (installed[0] === oldest[0] && installed[1] >= oldest[1]);
}

/** Whether a program is built already, so that nothing long stands before its use. */
export const isBuilt = async (tool: Tool): Promise<boolean> => exists(join(await toolFolder(), tool));

/**
 * The programs' paths, by name; builds what is missing (Go needed, minutes the first time).
 * A kubectl or helm on the PATH is taken when it is new enough.
 */
export async function ensureTools<T extends Tool>(
  tools: readonly T[],
  progress: Progress,
  signal?: AbortSignal,
): Promise<Record<T, string>> {
  const folder = await toolFolder();
  const missing = async () => {
    const found = await Promise.all(tools.map((tool) => exists(join(folder, tool))));
    return tools.filter((tool, i) => !found[i] && !installed.has(tool));
  };
  const installed = new Set<Tool>();
  for (const tool of tools) if (!(await exists(join(folder, tool))) && (await onPath(tool))) installed.add(tool);
  if ((await missing()).length > 0) {
    await mkdir(folder, { recursive: true });
    await withLock(join(cacheFolder(), "tools.lock"), progress, async () => {
      const left = await missing(); // another process may have built them while this one waited
      if (left.length > 0) await buildTools(left, folder, progress, signal);
    });
  }
  const path = (tool: T) => (installed.has(tool) ? tool : join(folder, tool));
  return Object.fromEntries(tools.map((tool) => [tool, path(tool)])) as Record<T, string>;
}
