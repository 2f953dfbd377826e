import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder, exists, wholeFolder } from "../../src/local-cluster/cache.ts";
import { unpackPackages } from "../../src/local-cluster/debian.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./postgres.ts";

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

export interface TestPrometheus {
  /** What a query gives now. @throws Error with what Prometheus says of it */
  query(expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]>;
  /** The health of what is scraped, and of each rule, with the last error. */
  targets(): Promise<{ health: string; lastError: string; labels: Record<string, string> }[]>;
  rules(): Promise<{ name: string; health: string; lastError?: string }[]>;
  exemplars(expr: string): Promise<{ exemplars: { labels: Record<string, string> }[] }[]>;
  stop(): Promise<void>;
}

/** A real Prometheus. @param scrapeConfigs as its configuration takes them */
export async function startPrometheus(scrapeConfigs: object[], ruleFile: string): Promise<TestPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-prometheus-"));
  const port = await freePort();
  const config = {
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: [ruleFile],
    scrape_configs: scrapeConfigs,
  };
  await writeFile(join(folder, "prometheus.yml"), JSON.stringify(config)); // JSON is YAML
  const child = spawn(
    await prometheusProgram("prometheus"),
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--enable-feature=exemplar-storage",
      "--log.level=warn",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let said = "";
  child.stderr.on("data", (chunk: unknown) => void (said += String(chunk)));
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, { headers: { connection: "close" } });
    const answer = (await response.json()) as { status: string; data: T; error?: string };
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  const encoded = encodeURIComponent;
  await eventually(
    () => get("status/runtimeinfo").catch(() => undefined),
    (it) => it !== undefined,
    20,
  ).catch(() => Promise.reject(new Error(`Prometheus did not start: ${said}`)));
  return {
    query: async (expr) =>
      (await get<{ result: Awaited<ReturnType<TestPrometheus["query"]>> }>(`query?query=${encoded(expr)}`)).result,
    targets: async () =>
      (await get<{ activeTargets: Awaited<ReturnType<TestPrometheus["targets"]>> }>("targets")).activeTargets,
    rules: async () =>
      (await get<{ groups: { rules: Awaited<ReturnType<TestPrometheus["rules"]>> }[] }>("rules")).groups.flatMap(
        (it) => it.rules,
      ),
    exemplars: (expr) => {
      const now = Date.now() / 1000;
      return get(`query_exemplars?query=${encoded(expr)}&start=${now - 600}&end=${now}`);
    },
    async stop() {
      const gone = once(child, "exit");
      if (child.exitCode === null && child.kill("SIGTERM")) await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
