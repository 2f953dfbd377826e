import { cp, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../telemetry/progress.ts";
import { LocalClusterError } from "./errors.ts";
import { run } from "./run.ts";
import { linkerFlags, type Tool, toolFor } from "./tool-list.ts";
import { versions } from "./versions.ts";

/** The one Go module of all tools: what they share (client-go, gRPC, etcd's client) is compiled once. */
export const goFolder = join(import.meta.dirname, "go");

// containerd 2.4 implements calls that the CRI of Kubernetes 1.36 hasn't got, and a kubelet built with the newer
// interface lacks methods of it. So this one module differs between the two; all other packages are shared.
const newerCri = "k8s.io/cri-api@v0.37.0";

/** Go's environment: the caller's, without what would change the build. Throws when there is no Go. */
async function goEnvironment(): Promise<NodeJS.ProcessEnv> {
  const proxy = await run("go", ["env", "GOPROXY"]).catch((cause: unknown) => {
    const remedy = `install Go ${versions.go} or newer (https://go.dev/dl), then run the command again`;
    throw new LocalClusterError(`Go is needed to build Kubernetes' programs: ${remedy}`, { cause, fatal: true });
  });
  return {
    ...process.env,
    // Without `direct`: where only the proxy can be reached, a look-up that misses would hang on the origin's DNS.
    GOPROXY: proxy.trim().replace(/[,|]direct$/, ""),
    GOFLAGS: "-mod=readonly",
    GOWORK: "off",
    CGO_ENABLED: "0",
  };
}

async function modFileWithNewerCri(folder: string, env: NodeJS.ProcessEnv): Promise<string> {
  const file = join(folder, "newer-cri.mod");
  await writeFile(file, await readFile(join(goFolder, "go.mod")));
  await cp(join(goFolder, "go.sum"), join(folder, "newer-cri.sum"));
  await run("go", ["mod", "edit", `-replace=k8s.io/cri-api=${newerCri}`, file], { env });
  return file;
}

/** One `go build` for all of them keeps every core busy to the end. */
async function compile(
  tools: Tool[],
  folder: string,
  flags: string[],
  env: NodeJS.ProcessEnv,
  onPackage: (name: string) => void,
  signal?: AbortSignal,
) {
  if (tools.length === 0) return;
  // These programs run for minutes and are compiled by whoever tries this first: without inlining that takes a sixth
  // less time. Debug information would never be read.
  const common = [
    "build",
    "-v",
    "-trimpath",
    "-buildvcs=false",
    "-pgo=off",
    "-gcflags=all=-l -dwarf=false",
    `-ldflags=${linkerFlags}`,
  ];
  const packages = tools.map((tool) => toolFor(tool).package);
  await run("go", [...common, ...flags, "-o", `${folder}/`, ...packages], {
    cwd: goFolder,
    env,
    onLine: onPackage,
    signal,
  });
}

/**
 * Builds tools into `folder`, each appearing there whole. Minutes from cold Go caches.
 * The Go module proxy must be reachable the first time.
 */
export async function buildTools(
  tools: Tool[],
  folder: string,
  progress: Progress,
  signal?: AbortSignal,
): Promise<void> {
  const env = await goEnvironment();
  const draft = await mkdtemp(join(folder, ".build-"));
  try {
    await progress.step(`building ${tools.join(", ")}`, async (detail) => {
      let packages = 0;
      const onPackage = (name: string) => {
        if (!name.startsWith("go: ")) detail(`${++packages} packages, now ${name}`);
        else detail(name.slice(4));
      };
      const [newer, plain] = [
        tools.filter((tool) => toolFor(tool).newerCri),
        tools.filter((tool) => !toolFor(tool).newerCri),
      ];
      await compile(plain, draft, [], env, onPackage, signal);
      const modFile = newer.length > 0 ? [`-modfile=${await modFileWithNewerCri(draft, env)}`] : [];
      await compile(newer, draft, modFile, env, onPackage, signal);
      for (const tool of tools) await rename(join(draft, toolFor(tool).output ?? tool), join(folder, tool));
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Where the sources of a module are on this machine. */
export async function moduleFolder(module: string): Promise<string> {
  const env = await goEnvironment();
  await run("go", ["mod", "download", module], { cwd: goFolder, env });
  return (await run("go", ["list", "-m", "-f", "{{.Dir}}", module], { cwd: goFolder, env })).trim();
}
