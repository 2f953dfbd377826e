// From nothing to a first answer by the commands of the README, as they are written: a cluster and a Postgres that know nothing of us.
// It takes away what is installed, so it comes after all other files of this suite (vitest.config.ts).
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { query } from "../../src/cli/demo/database-window.ts";
import { helmValues } from "../../src/cli/demo/helm-values.ts";
import { POSTGRES_HOST } from "../../src/cli/demo/manifests.ts";
import { KubernetesClient } from "../../src/kubernetes/client.ts";
import { loadKubeConfig, type PooledKubeConfig } from "../../src/kubernetes/kube-config.ts";
import { type Desk, openDesk } from "./documented-commands.ts";
import { operatorPods } from "./operators.ts";
import { removeEverything } from "./remains.ts";
import { openAsSuperuser } from "./superuser.ts";

const { kubeconfig } = inject("demo");
let config: PooledKubeConfig;
let client: KubernetesClient;
let desk: Desk;
let database: Awaited<ReturnType<typeof openAsSuperuser>>;
let image: string;

beforeAll(async () => {
  config = loadKubeConfig(kubeconfig);
  client = new KubernetesClient(config);
  desk = await openDesk(kubeconfig);
  image = (await operatorPods(client))[0]?.spec.containers[0]?.image ?? "";
  database = await openAsSuperuser(client, config);
  await removeEverything(desk, client);
  await query(database.settings, "DROP DATABASE agentpg", "DROP ROLE agentpg_operator");
  // The example's namespace was handed over, and stays with its Secret.
  await desk.shell("kubectl delete namespace lamps --ignore-not-found");
});
afterAll(async () => {
  await database?.close();
  await config?.close();
  await desk?.clear();
});

test("the README's commands bring a first answer", { retry: 0, timeout: 300_000 }, async () => {
  const { settings } = database;
  const { image: of, model } = helmValues({ kind: "simulated" }, image);
  await desk.writeFile("connection.json", JSON.stringify(settings));
  await desk.addProgram(
    "psql",
    `exec ${process.execPath} ${join(import.meta.dirname, "psql.ts")} connection.json "$@"`,
  );
  await desk.writeFile("ca.crt", (settings.tls !== "disable" && settings.tls.ca) || "");
  await desk.writeFile("api-key", "sk-ant-simulated");
  // What is not as on a real cluster: the image has a tag of its own, and the model is simulated.
  await desk.writeValues({ image: { tag: of.tag }, model }, "here.yaml");
  await desk.follow("README.md", "1. A role and a database for the operator (as a Postgres superuser)", {
    "charts/agentpg": "charts/agentpg --values here.yaml",
    "REGISTRY/agentpg-operator": of.repository,
    "postgres.example.com": POSTGRES_HOST,
  });
  await desk.follow("examples/minimal/README.md", "");
  const list = async (what: string) =>
    JSON.parse(await desk.shell(`agentpg ${what} -n lamps -o json`)) as { id: string; state: string }[];
  const [session] = await list("sessions helper");
  const runs = await list(`runs helper --session ${session?.id}`);
  expect(runs.map(({ state }) => state)).toEqual(["completed"]);
});
