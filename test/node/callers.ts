import { API_PORT } from "../../src/api/agent-config.ts";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { POD, resourcePath } from "../../src/kubernetes/resource-kind.ts";
import { eventually } from "../support/eventually.ts";

/** Runs in a pod: four callers, twice a second, over kept connections, until told to end. A line for each failure, and for every 10 answers. */
const program = (url: string, token: string, keepIdleMs: number) => `
const shared = Symbol.for("undici.globalDispatcher.1");
await fetch("data:,"); // makes the dispatcher
globalThis[shared] = new globalThis[shared].constructor({ keepAliveMaxTimeout: ${keepIdleMs} });
const headers = { authorization: ${JSON.stringify(`Bearer ${token}`)}, "content-type": "application/json" };
let answers = 0;
const ask = async (path, body, accept) => {
  const answer = await fetch(${JSON.stringify(url)} + path, { method: "POST", headers: { ...headers, accept }, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(answer.status + " " + text);
  return text;
};
const caller = async () => {
  for (;;) {
    try {
      const { id } = JSON.parse(await ask("/v1/sessions", {}, "application/json"));
      const events = await ask("/v1/sessions/" + id + "/runs", { message: "Hello" }, "text/event-stream");
      if (!events.includes("run.completed")) throw new Error("no answer: " + events.slice(-300));
      if (++answers % 10 === 0) console.log("answers " + answers);
    } catch (error) {
      console.log("failed " + new Date().toISOString() + " " + error.message + " " + (error.cause?.code ?? ""));
    }
    await new Promise((resolve) => setTimeout(resolve, 500)); // the tenant's runs of a minute are limited
  }
};
for (let i = 0; i < 4; i++) caller();
process.on("SIGTERM", () => process.exit(0));
`;

/** Callers of an Agent, in a pod of its tenant, through its Service. */
export interface Callers {
  /** What they have met so far. */
  seen(): Promise<{ answers: number; failures: string[] }>;
  /** Waits for so many more answers; what was met by then. */
  more(count: number): Promise<{ answers: number; failures: string[] }>;
  stop(): Promise<void>;
}

export async function startCallers(
  client: KubernetesClient,
  options: {
    namespace: string;
    agent: string;
    token: string;
    image: string;
    /** For how long a connection is kept unused at most, whatever the server says. */
    keepIdleMs?: number;
  },
): Promise<Callers> {
  const { namespace, agent, token, image, keepIdleMs = 600_000 } = options;
  const name = `callers-of-${agent}`;
  const url = `http://agent-${agent}.${namespace}.svc:${API_PORT}`;
  const container = {
    name: "callers",
    image,
    imagePullPolicy: "IfNotPresent",
    command: ["/usr/local/bin/node", "--input-type=module", "-e", program(url, token, keepIdleMs)],
    resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "192Mi" } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, readOnlyRootFilesystem: true },
  };
  const spec = {
    restartPolicy: "Never",
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
    containers: [container],
  };
  await client.create(POD, { apiVersion: "v1", kind: "Pod", metadata: { name, namespace }, spec }, namespace);
  const seen = async () => {
    const log = await client.request<string>("GET", resourcePath(POD, namespace, name, "log"));
    const lines = log.split("\n");
    const answers = lines.filter((line) => line.startsWith("answers ")).length * 10;
    return { answers, failures: lines.filter((line) => line.startsWith("failed ")) };
  };
  return {
    seen,
    async more(count) {
      const before = await seen().catch(() => ({ answers: 0 }));
      return eventually(seen, ({ answers }) => answers >= before.answers + count, 60);
    },
    stop: () => client.delete(POD, name, namespace),
  };
}
