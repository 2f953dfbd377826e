import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { run } from "../../src/local-cluster/run.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { blocksOf, root } from "../docs/blocks.ts";

/** The page's block of shell commands that begins with this comment. @throws Error when there is none */
function documented(page: string, title: string): string {
  const found = blocksOf(page).find(({ language, text }) => language === "sh" && text.startsWith(`# ${title}\n`));
  if (!found) throw new Error(`no block of commands in ${page} begins with the comment "# ${title}"`);
  return found.text;
}

/** A folder as somebody has it who follows the documentation: the chart, a values file, kubectl and helm. */
export interface Desk {
  writeValues(values: object): Promise<void>;
  /** Runs the page's commands; what they said. @throws Error with what a command that failed said */
  follow(page: string, title: string): Promise<string>;
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
  await symlink(join(root, "charts"), join(folder, "charts"));
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder, PATH: `${folder}/bin:${process.env["PATH"]}` };
  const shell = (commands: string) => run("bash", ["-euo", "pipefail", "-c", commands], { cwd: folder, env });
  return {
    writeValues: (values) => writeFile(join(folder, "values.yaml"), JSON.stringify(values)),
    follow: (page, title) => shell(documented(page, title)),
    followMeanwhile: (page, title, commands) =>
      shell(`timeout 20 bash -c '${documented(page, title)}' > meanwhile.txt 2>&1 &\n${commands}`),
    shell,
    clear: () => rm(folder, { recursive: true, force: true }),
  };
}
