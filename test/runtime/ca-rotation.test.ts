import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCertificates } from "../support/postgres.ts";
import { secretFiles, World } from "./fixture.ts";

let world: World;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());

let revision = 1;
const trust = (ca: string) =>
  world.database.publish(secretFiles({ ...world.connection, tls: { ca } }, world.names.schema, String(++revision)));

async function showCertificate({ cert, key }: { cert: string; key: string }): Promise<void> {
  const folder = join(dirname(world.postgres.dataDirectory), "tls");
  await writeFile(join(folder, "server.key"), key);
  await writeFile(join(folder, "server.crt"), cert);
  await world.postgres.restart();
}

test("an agent takes a changed ca.crt without a restart, and says what is wrong while its own is too old", async () => {
  const agent = await world.start();
  const status = () => (agent.status() as { database: { ok: boolean; revision: string; problem: string } }).database;
  const session = await agent.client.createSession();
  const asked = async () => (await agent.client.ask(session.id, "Hello")).state;
  const next = await makeCertificates(["127.0.0.1", "localhost"]);

  await trust(`${world.postgres.ca}\n${next.ca}`);
  await expect.poll(() => status().revision, { timeout: 15_000 }).toBe("2");
  await showCertificate(next);
  await expect.poll(() => status().ok, { timeout: 15_000 }).toBe(true);
  expect(await asked()).toBe("completed");

  const last = await makeCertificates(["127.0.0.1", "localhost"]);
  await showCertificate(last);
  await expect.poll(() => status().problem, { timeout: 15_000 }).toMatch(/put the CA that issued it into ca\.crt/);
  await trust(last.ca);
  await expect.poll(status, { timeout: 15_000 }).toMatchObject({ ok: true, revision: "3", problem: null });
  expect(await asked()).toBe("completed");
});
