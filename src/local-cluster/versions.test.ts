import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { versions } from "./versions.ts";

test("what is said of the versions is what the Go module builds", async () => {
  const goMod = await readFile(join(import.meta.dirname, "go", "go.mod"), "utf8");
  const built = (module: string) => new RegExp(`^(?:\\s*|require )${module} v(\\S+)`, "m").exec(goMod)?.[1];
  expect({
    kubernetes: built("k8s.io/kubernetes"),
    etcd: built("go.etcd.io/etcd/server/v3"),
    containerd: built("github.com/containerd/containerd/v2"),
    coredns: built("github.com/coredns/coredns"),
    helm: built("helm.sh/helm/v4"),
    cilium: built("github.com/cilium/cilium"),
    go: /^go (\d+\.\d+)/m.exec(goMod)?.[1],
  }).toEqual(versions);
});
