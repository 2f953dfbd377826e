import { versions } from "./versions.ts";

/** What the choice of a provider depends on. */
export interface Machine {
  engine: "docker" | "podman" | undefined;
  kind: string | undefined;
  linux: boolean;
  root: boolean;
  go: boolean;
}

export type Choice =
  | { provider: "kind"; because: string; engine: "docker" | "podman"; kind: string }
  | { provider: "source"; because: string }
  | { provider: "none"; because: string };

const lacks = (machine: Machine): string[] => [
  ...(machine.linux ? [] : ["Linux"]),
  ...(machine.root ? [] : ["root"]),
  ...(machine.go ? [] : [`Go ${versions.go}`]),
];

/** Which provider brings the cluster, and why, in words for whoever started it. */
export function chooseProvider(machine: Machine): Choice {
  const { engine, kind } = machine;
  if (engine && kind)
    return { provider: "kind", engine, kind, because: `${engine} answers, so kind brings the cluster` };
  const noKind = engine ? `${engine} answers, but there is no kind` : "no container engine answers (Docker or Podman)";
  const missing = lacks(machine);
  if (missing.length === 0) return { provider: "source", because: `${noKind}: Kubernetes is built from source` };
  return {
    provider: "none",
    because: `There is no way to a local cluster here: ${noKind}, and building one from source lacks ${missing.join(", ")}. Either
  - start Docker or Podman${engine ? "" : " (and kind is installed by itself where Go is)"}, and install kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation
  - or run this as root on Debian or Ubuntu with Go ${versions.go} or newer: https://go.dev/dl
  - or name a cluster that you have: --kubeconfig PATH`,
  };
}
