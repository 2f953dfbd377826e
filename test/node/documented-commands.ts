import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { globSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { run } from "../../src/local-cluster/run.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";

const root = join(import.meta.dirname, "..", "..");

/** The block of shell commands in docs/ that begins with this comment, wherever it is. @throws Error when there is none */
function documented(title: string): string {
  for (const page of globSync("docs/**/*.md", { cwd: root })) {
    const blocks = readFileSync(join(root, page), "utf8").matchAll(/```sh\n(# [\s\S]*?)```/g);
    for (const [, block = ""] of blocks) if (block.startsWith(`# ${title}\n`)) return block;
  }
  throw new Error(`no block of commands in docs/ begins with the comment "# ${title}"`);
}

/** A folder as somebody has it who follows the documentation: the chart, a values file, kubectl and helm. */
export interface Desk {
  folder: string;
  writeValues(values: object): Promise<void>;
  /** Runs the commands of the documentation; what they said. @throws Error with what a command that failed said */
  follow(title: string): Promise<string>;
  /** Runs other commands there. */
  shell(commands: string): Promise<string>;
  clear(): Promise<void>;
}

export async function openDesk(kubeconfig: string): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-desk-"));
  const tools = await ensureTools(["kubectl", "helm"], silentProgress);
  await mkdir(join(folder, "bin"));
  for (const [name, path] of Object.entries(tools)) if (path !== name) await symlink(path, join(folder, "bin", name));
  await symlink(join(root, "charts"), join(folder, "charts"));
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder, PATH: `${folder}/bin:${process.env["PATH"]}` };
  const shell = (commands: string) => run("bash", ["-euo", "pipefail", "-c", commands], { cwd: folder, env });
  return {
    folder,
    writeValues: (values) => writeFile(join(folder, "values.yaml"), JSON.stringify(values)),
    follow: (title) => shell(documented(title)),
    shell,
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}
