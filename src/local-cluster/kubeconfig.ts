import { readFile, writeFile } from "node:fs/promises";
import { parse, stringify } from "yaml";
import type { Credentials } from "./pki.ts";

/** How a client reaches an API server as somebody. */
export interface Access {
  server: string;
  /** The authority's certificate, PEM. */
  authority: string;
  user: Credentials;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A kubeconfig that needs no other file. */
export function kubeconfigText(name: string, access: Access): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server: access.server, "certificate-authority-data": base64(access.authority) } }],
    users: [
      {
        name,
        user: {
          "client-certificate-data": base64(access.user.certificate),
          "client-key-data": base64(access.user.key),
        },
      },
    ],
  });
}

export async function writeKubeconfig(path: string, name: string, access: Access): Promise<void> {
  await writeFile(path, kubeconfigText(name, access), { mode: 0o600 });
}

/** Reads back what `writeKubeconfig` wrote. */
export async function readKubeconfig(path: string): Promise<Access> {
  const { clusters, users } = parse(await readFile(path, "utf8")) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  const text = (value = "") => Buffer.from(value, "base64").toString();
  const { user } = users[0];
  return {
    server: clusters[0].cluster["server"] ?? "",
    authority: text(clusters[0].cluster["certificate-authority-data"]),
    user: { certificate: text(user["client-certificate-data"]), key: text(user["client-key-data"]) },
  };
}
