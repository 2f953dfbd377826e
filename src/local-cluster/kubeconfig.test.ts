import { X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readKubeconfig, writeKubeconfig } from "./kubeconfig.ts";
import { createAuthority } from "./pki.ts";

test("a certificate names the user and group, is signed by the authority and holds for its addresses", async () => {
  const authority = await createAuthority("test");
  const issued = await authority.issue({
    user: "system:node:n1",
    group: "system:nodes",
    addresses: ["198.18.0.2"],
    dns: ["n1"],
  });
  const certificate = new X509Certificate(issued.certificate);
  expect(certificate.subject.split("\n").toSorted()).toEqual(["CN=system:node:n1", "O=system:nodes"]);
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
  expect(certificate.checkIP("198.18.0.2")).toBe("198.18.0.2");
  expect(certificate.checkHost("n1")).toBe("n1");
});

test("a kubeconfig that was written is read back the same", async () => {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-kubeconfig-"));
  try {
    const authority = await createAuthority("test");
    const user = await authority.issue({ user: "admin" });
    const access = { server: "https://198.18.0.1:6443", authority: authority.certificate, user };
    await writeKubeconfig(join(folder, "kubeconfig"), "x", access);
    expect(await readKubeconfig(join(folder, "kubeconfig"))).toEqual(access);
  } finally {
    await rm(folder, { recursive: true });
  }
});
