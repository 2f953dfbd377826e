import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { run } from "../../src/local-cluster/run.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { blocksOf, root } from "../docs/blocks.ts";
import { substituted } from "../docs/placeholders.ts";

/** The page's block of shell commands that begins with this comment; "" is the only one there is. @throws Error when there is none */
function documented(page: string, title: string): string {
  const blocks = blocksOf(page).filter(({ language }) => language === "sh");
  const found = title === "" ? blocks : blocks.filter(({ text }) => text.startsWith(`# ${title}\n`));
  if (found[0] && found.length === 1) return found[0].text;
  throw new Error(`${found.length} blocks of commands in ${page} begin with the comment "# ${title}"`);
}

/** A folder as somebody has it who follows the documentation: the chart, the examples, kubectl, helm and agentpg. */
export interface Desk {
  /** Writes `values.yaml`, or another file. */
  writeValues(values: object, file?: string): Promise<void>;
  /** Writes a file that only its owner may read. */
  writeFile(file: string, text: string): Promise<void>;
  /** A program that is found by its name: a script of bash. */
  addProgram(name: string, script: string): Promise<void>;
  /** Runs the page's commands, with these words in the place of those of the page; what they said. @throws Error with what a command that failed said */
  follow(page: string, title: string, words?: Readonly<Record<string, string>>): Promise<string>;
  /** Runs the page's commands in another terminal, for 20 seconds, and these meanwhile; what these said. */
  followMeanwhile(page: string, title: string, commands: string): Promise<string>;
  /** Runs other commands there. */
  shell(commands: string): Promise<string>;
  clear(): Promise<void>;
}

export async function openDesk(kubeconfig: string): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-desk-"));
  const tools = await ensureTools(["kubectl", "helm"], silentProgress);
  await mkdir(join(folder, "bin"));
  for (const [name, path] of Object.entries(tools)) if (path !== name) await symlink(path, join(folder, "bin", name));
  for (const name of ["charts", "examples"]) await symlink(join(root, name), join(folder, name));
  const addProgram = (name: string, script: string) =>
    writeFile(join(folder, "bin", name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  await addProgram("agentpg", `exec ${process.execPath} ${join(root, "src/cli/main.ts")} "$@"`);
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder, PATH: `${folder}/bin:${process.env["PATH"]}` };
  const shell = (commands: string) => run("bash", ["-euo", "pipefail", "-c", commands], { cwd: folder, env });
  return {
    writeValues: (values, file = "values.yaml") => writeFile(join(folder, file), JSON.stringify(values)),
    writeFile: (file, text) => writeFile(join(folder, file), text, { mode: 0o600 }),
    addProgram,
    follow: (page, title, words = {}) => shell(substituted(documented(page, title), words)),
    followMeanwhile: (page, title, commands) =>
      shell(`timeout 20 bash -c '${documented(page, title)}' > meanwhile.txt 2>&1 &\n${commands}`),
    shell,
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}
