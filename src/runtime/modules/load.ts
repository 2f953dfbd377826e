import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { AgentConfig } from "../../api/agent-config.ts";
import { scrubText } from "../../telemetry/scrub.ts";
import { ConfigError } from "../config.ts";
import type { Hook } from "../hooks/hook.ts";
import { contentsOf, type LoadedTool, WrongExport } from "./contents.ts";
import { allowImports, ImportRefused } from "./imports.ts";

type ModuleRef = AgentConfig["modules"][number];

export interface LoadedModule {
  name: string;
  tools: LoadedTool[];
  hooks: Hook[];
}

const LOAD_SECONDS = 30;

/** A module that waits for something while it is loaded would keep the agent from ever starting. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(LOAD_SECONDS * 1000, undefined, { signal: timer.signal }).then(() => {
    throw new WrongExport(`it is not loaded within ${LOAD_SECONDS} s: do not wait for anything at its top level`);
  });
  late.catch(() => {});
  return Promise.race([work, late]).finally(() => timer.abort());
}

/** Where a syntax error is: node tells it in the first line of the stack only. */
const placeOf = (error: Error): string =>
  /^file:\S*\/([^/\s]+:\d+)$/m.exec(error.stack?.split("\n")[0] ?? "")?.[1] ?? "";

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return `it throws while it is loaded: ${scrubText(String(error)).slice(0, 500)}`;
  const message = scrubText(error.message).slice(0, 1000);
  if (error instanceof WrongExport || error instanceof ImportRefused) return message;
  const { code } = error as { code?: string };
  if (code === "ENOENT") return "the file is not there";
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX")
    return `its types cannot be taken away: ${message}. Only TypeScript that vanishes is understood: no enum, namespace or parameter property`;
  if (error instanceof SyntaxError) return [placeOf(error), message].filter(Boolean).join(": ");
  if (code?.startsWith("ERR_")) return message;
  return `it throws while it is loaded: ${message}`;
}

async function loadModule({ name, file }: ModuleRef, folder: string): Promise<LoadedModule> {
  try {
    const real = await realpath(folder);
    allowImports(`${pathToFileURL(real).href}/`);
    const path = await realpath(join(real, file)); // a ConfigMap's files are links into one of its versions
    const exported = (await inTime(import(pathToFileURL(path).href))) as Record<string, unknown>;
    return { name, ...contentsOf(exported) };
  } catch (cause) {
    throw new ConfigError(`module ${name} (${file}): ${reasonOf(cause)}`, { cause });
  }
}

function refuseTwins(what: string, named: { name: string; module: string }[]): void {
  const seen = new Map<string, string>();
  for (const { name, module } of named) {
    const other = seen.get(name);
    if (other) throw new ConfigError(`module ${module}: the ${what} ${name} is in module ${other} already: rename one`);
    seen.set(name, module);
  }
}

/** Imports the modules of an agent, one after the other. @param directory where each has a folder of its name. @throws ConfigError */
export async function loadModules(refs: readonly ModuleRef[], directory: string): Promise<LoadedModule[]> {
  const loaded: LoadedModule[] = [];
  for (const ref of refs) loaded.push(await loadModule(ref, join(directory, ref.name)));
  for (const what of ["tool", "hook"] as const)
    refuseTwins(
      what,
      loaded.flatMap((it) => it[`${what}s`].map(({ name }) => ({ name, module: it.name }))),
    );
  return loaded;
}
