import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentConfig, type AgentConfig } from "../../src/api/agent-config.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { CONFIG_MAP, POD } from "../../src/kubernetes/resource-kind.ts";
import { AgentClient } from "../../src/runtime/client.ts";
import { readEnvironment } from "../../src/runtime/config.ts";
import { type Runtime, startRuntime } from "../../src/runtime/runtime.ts";
import { createLogger } from "../../src/telemetry/log.ts";
import { eventually } from "./eventually.ts";
import { Kubelet } from "./kubelet.ts";
import type { OperatorHarness } from "./operator-harness.ts";
import { SimulatedClaude } from "./simulated-claude/server.ts";

export type TenantPod = Runtime & {
  client: AgentClient;
  /** A question in a session of its own; the id of its run. */
  ask(question: string): Promise<string>;
  /** The mounted API key. */
  key: Kubelet;
};

type ConfigMap = KubernetesObject & { data: Record<string, string> };

/** Agents in this process, from what the operator published for their pods: where there is no node to run them. */
export class TenantPods {
  readonly #harness: OperatorHarness;
  readonly claude: SimulatedClaude;
  /** What the agents logged, a line each. */
  readonly log: string[] = [];
  readonly #claudeUrl: string;
  readonly #folder: string;
  readonly #kubelets: Kubelet[] = [];

  private constructor(harness: OperatorHarness, claude: SimulatedClaude, claudeUrl: string, folder: string) {
    this.#harness = harness;
    this.claude = claude;
    this.#claudeUrl = claudeUrl;
    this.#folder = folder;
  }

  static async create(harness: OperatorHarness): Promise<TenantPods> {
    const claude = new SimulatedClaude();
    const url = await claude.listen();
    return new TenantPods(harness, claude, url, await mkdtemp(join(tmpdir(), "agentpg-pods-")));
  }

  /** A directory with a key-encryption key, as the chart mounts it. */
  async keyEncryptionKeys(): Promise<string> {
    const directory = join(this.#folder, "kek");
    await mkdir(directory);
    await writeFile(join(directory, "first"), randomBytes(32).toString("base64"));
    await writeFile(join(directory, "current"), "first");
    return directory;
  }

  /** @param change what differs from the configuration that the operator made */
  async start(
    namespace: string,
    agent: string,
    change: (config: AgentConfig) => object = (config) => config,
  ): Promise<TenantPod> {
    const { client } = this.#harness;
    const revision = (
      await eventually(
        () => this.#harness.agent(agent, namespace),
        (it) =>
          it.status?.["configRevision"] !== undefined && it.status["observedGeneration"] === it.metadata.generation,
      )
    ).status?.["configRevision"] as string;
    const map = await client.get<ConfigMap>(CONFIG_MAP, `agent-${agent}-${revision}`, namespace);
    const config = agentConfig.parse(JSON.parse(map.data["agent.json"] ?? ""));
    const podOf = async () => {
      const labelSelector = `agentpg.dev/agent=${agent}`;
      const [pod] = await client.list<KubernetesObject>(POD, namespace, { labelSelector });
      return pod?.metadata.annotations?.["agentpg.dev/secrets"] ?? "";
    };
    const mounted = async (name: string) => {
      const directory = await mkdtemp(join(this.#folder, `${name}-`));
      const kubelet = await new Kubelet(client, { name, namespace }, directory, 0, podOf).start();
      this.#kubelets.push(kubelet);
      return kubelet;
    };
    const [database, key] = [await mounted("agentpg-database"), await mounted("anthropic")];
    const runtime = await startRuntime(
      {
        agent: agentConfig.parse({
          ...change(config),
          access: { source: "none" },
          anthropicBaseUrl: this.#claudeUrl,
        }),
        revision: "test",
        env: readEnvironment({
          AGENTPG_DATABASE_DIR: database.volume.path,
          AGENTPG_ANTHROPIC_DIR: key.volume.path,
          AGENTPG_CONFIG_REVISION: revision,
          AGENTPG_POD_NAME: `${agent}-0`,
          AGENTPG_INSECURE_NO_AUTH: "true",
          AGENTPG_HOST: "127.0.0.1",
          AGENTPG_PORT: "0",
          AGENTPG_METRICS_PORT: "0",
          AGENTPG_LEASE_SECONDS: "2",
        }),
      },
      { log: createLogger("agentpg-runtime", "trace", { write: (line) => void this.log.push(line) }) },
    );
    const baseUrl = `http://127.0.0.1:${runtime.port}`;
    const agentClient = new AgentClient({ baseUrl, patience: { attempts: 0 } });
    const ask = async (question: string) =>
      (await agentClient.ask((await agentClient.createSession()).id, question)).runId;
    return Object.assign(runtime, { client: agentClient, ask, key });
  }

  async close(): Promise<void> {
    await Promise.all(this.#kubelets.map((it) => it.stop()));
    await this.claude.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
