import { join } from "node:path";
import { cacheFolder, exists, wholeFolder } from "../../src/local-cluster/cache.ts";
import { unpackPackages } from "../../src/local-cluster/debian.ts";

/** Debian's Prometheus, unpacked once into the cache, not installed. It is linked with nothing but libc. */
const unpacked = (): Promise<string> =>
  wholeFolder(join(cacheFolder(), "prometheus"), (folder) => unpackPackages(["prometheus"], folder));

/** Why Prometheus cannot be had on this machine; undefined: it can. */
export async function prometheusMissing(): Promise<string | undefined> {
  if (!(await exists("/etc/debian_version"))) return "needs Debian's package of Prometheus, so a Debian-like system";
  return unpacked().then(
    () => undefined,
    (error: Error) => `needs Debian's package of Prometheus, which could not be fetched: ${error.message}`,
  );
}

/** The path of one of the package's programs. */
export const prometheusProgram = async (name: "prometheus" | "promtool"): Promise<string> =>
  join(await unpacked(), "root/usr/bin", name);
