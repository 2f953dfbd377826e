import { expect, test } from "vitest";
import { chooseProvider, type Machine } from "./choose-provider.ts";

const machine = (has: Partial<Machine>): Machine => ({
  engine: undefined,
  kind: undefined,
  linux: true,
  root: true,
  go: true,
  ...has,
});

test("kind is taken where a container engine answers", () => {
  expect(chooseProvider(machine({ engine: "podman", kind: "/bin/kind" }))).toMatchObject({
    provider: "kind",
    engine: "podman",
  });
});

test("Kubernetes is built from source where none answers, or kind can't be had", () => {
  expect(chooseProvider(machine({})).provider).toBe("source");
  expect(chooseProvider(machine({ engine: "docker" })).provider).toBe("source");
});

test("a machine that can't says what it lacks, and the three ways to go on", () => {
  const { provider, because } = chooseProvider(machine({ linux: false, root: false }));
  expect(provider).toBe("none");
  expect(because).toMatch(/lacks Linux, root\./);
  for (const way of ["kind.sigs.k8s.io", "go.dev/dl", "--kubeconfig"]) expect(because).toContain(way);
});
