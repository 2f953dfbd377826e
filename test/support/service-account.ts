import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse, stringify } from "yaml";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";

type Config = { users: { name: string; user: object }[] };

/** The path of a kubeconfig, beside the administrator's, with a real token of a service account. */
export async function serviceAccountKubeconfig(
  client: KubernetesClient,
  adminKubeconfig: string,
  namespace: string,
  name: string,
): Promise<string> {
  const { status } = await client.request<{ status: { token: string } }>(
    "POST",
    `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    { body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3600 } } },
  );
  const config = parse(readFileSync(adminKubeconfig, "utf8")) as Config;
  const path = join(dirname(adminKubeconfig), `${namespace}-${name}.kubeconfig`);
  const users = config.users.map((it) => ({ name: it.name, user: { token: status.token } }));
  writeFileSync(path, stringify({ ...config, users }), { mode: 0o600 });
  return path;
}
