import { readdir } from "node:fs/promises";
import type { Progress } from "../telemetry/progress.ts";
import { exists } from "./cache.ts";
import { LocalClusterError } from "./errors.ts";
import { run, succeeds } from "./run.ts";

const aptEnvironment = () => ({ ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" });

async function isInstalled(name: string): Promise<boolean> {
  const status = await run("dpkg-query", ["-W", "-f=${Status}", name]).catch(() => "");
  return status.endsWith("ok installed");
}

/** Lists that some source failed to renew will do: whether the package can be had shows when it is fetched. */
async function updateLists(signal?: AbortSignal): Promise<void> {
  await succeeds("apt-get", ["update", "-qq"], { env: aptEnvironment(), signal });
}

async function requireApt(what: string[]): Promise<void> {
  if ((await exists("/usr/bin/apt-get")) && (await exists("/etc/debian_version"))) return;
  throw new LocalClusterError(
    `building a cluster from source needs a Debian-like system, to install ${what.join(", ")} by itself: ` +
      "run it on Debian or Ubuntu, or use Docker with kind, or name an existing cluster with --kubeconfig",
    { fatal: true },
  );
}

/** Installs what is missing, as root, without questions. Packages stay: they are Debian's, not the cluster's. */
export async function ensurePackages(names: string[], progress: Progress, signal?: AbortSignal): Promise<void> {
  const installed = await Promise.all(names.map(isInstalled));
  const missing = names.filter((_, i) => !installed[i]);
  if (missing.length === 0) return;
  await requireApt(missing);
  await progress.step(`installing Debian packages ${missing.join(", ")}`, async (detail) => {
    await updateLists(signal);
    const args = ["install", "-qqy", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", ...missing];
    await run("apt-get", args, { env: aptEnvironment(), signal, onLine: (line) => detail(line.slice(0, 80)) });
  });
}

/** Unpacks packages into `folder` without installing them. */
export async function unpackPackages(names: string[], folder: string, signal?: AbortSignal): Promise<void> {
  await requireApt(names);
  await updateLists(signal);
  // apt drops to the user _apt, which may not be allowed to write here; as root it only warns about that.
  const sandbox = ["-o", "APT::Sandbox::User=root"];
  await run("apt-get", ["download", "-qq", ...sandbox, ...names], { cwd: folder, env: aptEnvironment(), signal });
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(".deb"))) {
    await run("dpkg", ["-x", file, "root"], { cwd: folder });
    await run("rm", [file], { cwd: folder });
  }
}
