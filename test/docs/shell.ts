// Runs a block in a real bash whose programs are stand-ins, so that quotes, here-documents, pipes and `$( )` mean what they mean.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./blocks.ts";
import { PROGRAMS_NOT_HERE } from "./not-here.ts";

/** Programs that a block may use as they are: they change nothing but files in its folder. */
const HARMLESS =
  "bash cat chmod cp cut date echo false find grep head jq ls mkdir mktemp mv openssl printf rm sed seq sort tail tee test tr true wc xargs base64 sha256sum diff touch env".split(
    " ",
  );

/** Programs that stand-ins take the place of. */
export const STOOD_IN = [
  "agentpg",
  "kubectl",
  "helm",
  "npm",
  "npx",
  "psql",
  "curl",
  "git",
  "sleep",
  ...Object.keys(PROGRAMS_NOT_HERE),
];

/** Writes down what it was called with. */
const RECORDER = `#!/bin/bash
printf '%s\\0' "\${0##*/}" "$@" $'\\x1e' >> "$CALLS"
`;

export interface Ran {
  code: number | null;
  out: string;
  /** What the shell itself, or a program, complained of. */
  err: string;
  /** The programs that were called, with their words, in order. */
  calls: string[][];
}

/** A folder with the programs that blocks may call: nothing else is on the PATH. */
export function programFolder(folder: string, standIn = RECORDER, programs: readonly string[] = STOOD_IN): string {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  for (const name of programs) {
    writeFileSync(join(bin, name), standIn);
    chmodSync(join(bin, name), 0o755);
  }
  for (const name of HARMLESS) {
    const found = ["/usr/bin", "/bin", "/usr/local/bin"].map((it) => join(it, name)).find((it) => existsSync(it));
    if (found) symlinkSync(found, join(bin, name));
  }
  return bin;
}

/** Where a program is: within a block only those of {@link programFolder} are found by name. @throws Error when it is nowhere */
export function pathOf(program: string): string {
  const folders = program.includes("/") ? [""] : (process.env["PATH"] ?? "").split(":");
  const found = folders.map((it) => join(it, program)).find((it) => existsSync(it));
  if (found === undefined) throw new Error(`${program} is not on the PATH`);
  return found;
}

/** A folder as the documentation expects it: a checkout's chart and examples, and the files that blocks name. */
export function workFolder(folder: string): string {
  const work = join(folder, "work");
  mkdirSync(join(work, "secrets"), { recursive: true });
  for (const name of ["charts", "examples", "crds", "bench"]) symlinkSync(join(root, name), join(work, name));
  for (const name of ["password", "ca.crt", "api-key", "token"]) writeFileSync(join(work, name), "x");
  for (const name of ["shop.ts", "cards.ts"]) symlinkSync(join(root, "examples/tool-module", name), join(work, name));
  writeFileSync(
    join(work, "values.yaml"),
    "database: {host: postgres.example.com, credentialsSecret: agentpg-database-admin}\n",
  );
  symlinkSync(join(work, "values.yaml"), join(work, "blue.yaml"));
  return work;
}

/** `console` blocks: the lines behind `$ `, with those that continue them. */
export function commandsOf(language: string, text: string): string {
  if (language !== "console") return text;
  const lines: string[] = [];
  let goesOn = false;
  for (const line of text.split("\n")) {
    if (line.startsWith("$ ")) lines.push(line.slice(2));
    else if (goesOn) lines.push(line);
    else continue;
    goesOn = line.endsWith("\\");
  }
  return `${lines.join("\n")}\n`;
}

/** @param env beyond PATH, HOME and CALLS */
export async function runBlock(
  text: string,
  { folder, bin, work, env = {}, seconds = 60 }: ShellOptions,
): Promise<Ran> {
  const calls = join(folder, `calls-${randomUUID()}`); // others run beside it
  writeFileSync(calls, "");
  const child = spawn("/bin/bash", ["-c", text], {
    cwd: work,
    env: { PATH: bin, HOME: work, CALLS: calls, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const end = () => child.pid && kill(child.pid);
  const timer = setTimeout(end, seconds * 1000);
  // On `exit`, not on `close`: what the block left in the background holds the pipes.
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  clearTimeout(timer);
  end();
  const recorded = readFileSync(calls, "utf8").split("\x1e\0").slice(0, -1);
  rmSync(calls);
  return { code, out, err, calls: recorded.map((it) => it.split("\0").slice(0, -1)) };
}

export interface ShellOptions {
  folder: string;
  bin: string;
  work: string;
  env?: Record<string, string>;
  seconds?: number;
}

/** The whole group: a block may leave programs in the background. */
function kill(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // gone already
  }
}

/** The words that the agentpg command line gets, by whichever way a block calls it; undefined: it is not agentpg. */
export function agentpgWords([program = "", ...words]: readonly string[]): string[] | undefined {
  if (program === "agentpg") return words;
  if (program === "kubectl" && words[0] === "agentpg") return words.slice(1);
  if (program !== "npm" || words[0] !== "run") return undefined;
  const rest = words.slice(1).filter((it) => it !== "--silent");
  const [script = "", dashes, ...behind] = rest;
  const given = dashes === "--" ? behind : [];
  if (script === "agentpg") return given;
  return script === "demo" || script === "cluster" ? [script, ...given] : undefined;
}

export const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true });
