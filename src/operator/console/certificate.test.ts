import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, get, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Authority, createAuthority, type Credentials } from "../../local-cluster/pki.ts";
import { createLogger } from "../../telemetry/log.ts";
import { keepCertificate } from "./certificate.ts";

let folder: string;
let server: Server;
let release: () => void;
let log: string[];
const authorities: Authority[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agentpg-tls-"));
  authorities.push(await createAuthority("old"), await createAuthority("new"));
  log = [];
  server = createServer((_request, response) => void response.end("shown")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const logger = createLogger("operator", "info", { write: (it) => void log.push(it) });
  release = await keepCertificate(server, folder, logger, 10);
});
afterEach(async () => {
  release();
  server.closeAllConnections();
  server.close();
  authorities.length = 0;
  await rm(folder, { recursive: true });
});

const issued = (by: Authority | undefined) =>
  (by as Authority).issue({ user: "console", dns: ["localhost"], addresses: ["127.0.0.1"] });
async function mounted({ certificate, key }: Credentials): Promise<void> {
  await writeFile(join(folder, "tls.crt"), certificate);
  await writeFile(join(folder, "tls.key"), key);
}

/** Whose certificate a new connection gets; undefined: none. */
async function served(): Promise<"old" | "new" | undefined> {
  const { port } = server.address() as AddressInfo;
  for (const [i, name] of (["old", "new"] as const).entries()) {
    const request = get({ port, host: "127.0.0.1", ca: authorities[i]?.certificate ?? "", agent: false });
    const [response] = await once(request, "response").catch(() => [undefined]);
    response?.resume();
    if (response) return name;
  }
  return undefined;
}
async function until(wanted: "old" | "new"): Promise<void> {
  await expect.poll(served, { timeout: 5_000 }).toBe(wanted);
}

test("a certificate is taken when it comes and when it is renewed, without a new server; one that cannot be used changes nothing", async () => {
  expect(await served()).toBeUndefined();
  expect(log.join("")).toContain("nobody can open the console until it is there");
  const [old, other] = [await issued(authorities[0]), await issued(authorities[1])];
  await mounted(old);
  await until("old");
  for (const [key, why] of [
    ["", "tls.key is empty"],
    [old.key, "key values mismatch"],
  ] as const) {
    await mounted({ ...other, key });
    await expect.poll(() => log.join(""), { timeout: 5_000 }).toContain(why);
    expect(await served()).toBe("old");
  }
  expect(log.join("")).toContain("the one before stays in use");
  expect(log.join("")).not.toContain("PRIVATE KEY");
  await mounted(other);
  await until("new");
});
