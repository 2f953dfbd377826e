import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Progress } from "../telemetry/progress.ts";
import { cacheFolder, exists } from "./cache.ts";
import type { Cluster } from "./cluster.ts";
import { containerEngine, type Engine } from "./container-engine.ts";
import { imagesIn } from "./image-archive.ts";
import { run, type RunOptions, succeeds } from "./run.ts";
import { kindVersion } from "./versions.ts";

const environment = (engine: Engine): RunOptions => ({ env: { ...process.env, KIND_EXPERIMENTAL_PROVIDER: engine } });
const kubeconfigOf = (name: string) => join(cacheFolder(), "kind", `${name}.kubeconfig`);

async function kindProgram(): Promise<string | undefined> {
  const candidates = ["kind", join(cacheFolder(), "bin", "kind"), join(homedir(), "go", "bin", "kind")];
  for (const candidate of candidates) if (await succeeds(candidate, ["version"])) return candidate;
  return undefined;
}

/** kind's path; installs it with Go when it isn't there. `undefined` when neither works. */
export async function ensureKind(progress: Progress): Promise<string | undefined> {
  const found = await kindProgram();
  if (found !== undefined) return found;
  const target = join(cacheFolder(), "bin");
  await mkdir(target, { recursive: true });
  const install = ["install", `sigs.k8s.io/kind@v${kindVersion}`];
  const env = { ...process.env, GOBIN: target, GOFLAGS: "", CGO_ENABLED: "0" };
  await progress
    .step(`installing kind ${kindVersion}`, () => run("go", install, { env, signal: AbortSignal.timeout(180_000) }))
    .catch((error: unknown) =>
      progress.note(`kind can't be installed: ${error instanceof Error ? error.message : error}`),
    );
  return kindProgram();
}

async function clusterNames(kind: string, engine: Engine): Promise<string[]> {
  return (await run(kind, ["get", "clusters"], environment(engine))).split("\n").map((line) => line.trim());
}

/** A kind cluster, the one of that name or a new one. */
export async function ensureKindCluster(
  name: string,
  kind: string,
  engine: Engine,
  progress: Progress,
  signal?: AbortSignal,
): Promise<Cluster> {
  const kubeconfig = kubeconfigOf(name);
  await mkdir(join(cacheFolder(), "kind"), { recursive: true });
  const options = { ...environment(engine), signal };
  if ((await clusterNames(kind, engine)).includes(name)) {
    progress.note(`the kind cluster ${name} is up already`);
    await run(kind, ["export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig], options);
  } else {
    await rm(loaded(name), { force: true });
    await progress.step(`creating the kind cluster ${name} with ${engine}`, async (detail) => {
      const create = ["create", "cluster", "--name", name, "--kubeconfig", kubeconfig, "--wait", "120s"];
      await run(kind, create, { ...options, onLine: detail });
    });
  }
  return {
    provider: "kind",
    name,
    kubeconfig,
    enforcesNetworkPolicy: undefined, // kind's own network enforces it since v0.24; older ones and replacements may not
    description: `kind ${name} on ${engine}, one node`,
    loadImage: (archive) => loadImage(kind, name, archive, options),
  };
}

const loaded = (name: string) => join(cacheFolder(), "kind", `${name}.loaded.json`);

/** What was loaded is remembered beside the kubeconfig: `kind load` would copy the whole archive again. */
async function loadImage(kind: string, name: string, archive: string, options: RunOptions): Promise<void> {
  const before: Record<string, string> = JSON.parse(await readFile(loaded(name), "utf8").catch(() => "{}"));
  const images = (await imagesIn(archive)).flatMap(({ id, tags }) => tags.map((tag) => [tag, id] as const));
  if (images.every(([tag, id]) => before[tag] === id)) return;
  await run(kind, ["load", "image-archive", archive, "--name", name], options);
  await writeFile(loaded(name), JSON.stringify({ ...before, ...Object.fromEntries(images) }));
}

/** Deletes it; false when there was none. */
export async function kindClusterDown(name: string, progress: Progress): Promise<boolean> {
  const engine = await containerEngine();
  const kind = engine && (await exists(kubeconfigOf(name))) ? await kindProgram() : undefined;
  if (!engine || !kind || !(await clusterNames(kind, engine)).includes(name)) return false;
  const args = ["delete", "cluster", "--name", name, "--kubeconfig", kubeconfigOf(name)];
  await progress.step(`deleting the kind cluster ${name}`, () => run(kind, args, environment(engine)));
  for (const file of [kubeconfigOf(name), loaded(name)]) await rm(file, { force: true });
  return true;
}
