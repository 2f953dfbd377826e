import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { applySteps, type RunStep } from "../../src/database/runs/apply-steps.ts";
import { AgentDatabase } from "../../src/database/runs/database.ts";
import { World } from "../runtime/fixture.ts";
import { backUp, type Backup } from "../support/backup.ts";
import { eventually } from "../support/eventually.ts";

let world: World;
let backup: Backup | undefined;
beforeAll(async () => {
  world = await World.create();
});
afterAll(async () => {
  await world?.close();
  await backup?.discard();
});
beforeEach(() => world.fresh());
afterEach(() => world.stopAgents());

const state = (id: string) => async () =>
  (await world.sql<{ state: string }>("SELECT state FROM runs WHERE id = $1", [id]))[0]?.state;
const ready = async (url: string) => (await fetch(`${url}/readyz`)).status;

/** A call of the API as somebody writes it by hand. */
const call = (url: string, method: string, path: string, body?: string, headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body }),
  });

async function expectOutage(response: Response): Promise<void> {
  const text = await response.text();
  expect({ status: response.status, text }).toMatchObject({ status: 503 });
  expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(text).not.toMatch(/postgres|sql|t_[0-9a-f]{12}|127\.0\.0\.1|5[37][P0-9]/i);
}

/** What a pod cannot work with, and how it is brought about and ended. Sessions are cut, because some of it only new ones notice. */
const cut = () =>
  world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", [world.connection.user]);
const OUTAGES: [what: string, begin: () => Promise<unknown>, end: () => Promise<unknown>][] = [
  [
    "is read-only",
    async () => {
      await world.sql(`ALTER ROLE ${world.connection.user} SET default_transaction_read_only = on`);
      await cut();
    },
    async () => {
      await world.sql(`ALTER ROLE ${world.connection.user} RESET default_transaction_read_only`);
      await cut();
    },
  ],
  [
    "has no connection left",
    async () => {
      await world.sql(`ALTER ROLE ${world.connection.user} CONNECTION LIMIT 0`);
      await cut();
    },
    () => world.sql(`ALTER ROLE ${world.connection.user} CONNECTION LIMIT 100`),
  ],
  [
    "has closed the login",
    async () => {
      await world.sql(`ALTER ROLE ${world.connection.user} NOLOGIN`);
      await cut();
    },
    () => world.sql(`ALTER ROLE ${world.connection.user} LOGIN`),
  ],
  ["is stopped", () => world.postgres.halt(), () => world.postgres.restart()],
];

describe.each(OUTAGES)("a database that %s", (_what, begin, end) => {
  it("is a 503 that says when to come back, and a pod that is not ready; no run is lost", async () => {
    await world.fresh({ latencyMs: 700 });
    const { client, url } = await world.start();
    const sessions = await Promise.all(Array.from({ length: 3 }, () => client.createSession()));
    const runs = await Promise.all(sessions.map((session) => client.startRun(session.id, "Hello")));
    const [session] = sessions;
    await begin();
    try {
      await expectOutage(await call(url, "POST", "/v1/sessions", "{}"));
      await expectOutage(await call(url, "POST", `/v1/sessions/${session?.id}/runs`, '{"message":"Hello"}'));
      await eventually(
        () => ready(url),
        (status) => status === 503,
      );
    } finally {
      await end();
    }
    await eventually(
      () => ready(url),
      (status) => status === 200,
    );
    for (const { id } of runs) await eventually(state(id), (it) => it === "completed");
    expect((await client.ask(session?.id ?? "", "Hello")).state).toBe("completed");
  });
});

it("a pod that lived through a restore writes nothing over what others do with the same fence", async () => {
  await world.fresh({ latencyMs: 60_000 });
  const { client, engine } = await world.start();
  const session = await client.createSession();
  const { id } = await client.startRun(session.id, "Hello");
  await eventually(
    () => engine.active,
    (active) => active === 1,
  );
  backup = await backUp(world.postgres);
  const [held] = await world.sql<{ fence: number; lease_owner: string }>(
    "SELECT fence, lease_owner FROM runs WHERE id = $1",
    [id],
  );
  // After the backup the lease is lost and won again: the pod holds a fence that the restored database gives out once more.
  const fence = (held?.fence ?? 0) + 1;
  await backup.restore();
  await world.sql("UPDATE runs SET fence = $2, lease_owner = gen_random_uuid() WHERE id = $1", [id, fence]);
  const limits = { min: 0, max: 1, idleMs: 1000, lifetimeSeconds: 60 };
  const db = new AgentDatabase(world.names.schema, world.connection, "test", limits, () => {});
  const step: RunStep = {
    run: id,
    fence,
    worker: held?.lease_owner ?? "",
    step: 1,
    from: "running",
    to: "completed",
    iteration: 1,
    tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
    usd: 0,
    messages: [],
    started: [],
    finished: [],
    children: [],
    response: "mine",
    stopReason: "end_turn",
    error: null,
    audit: [],
  };
  expect(await applySteps(db, [step])).toMatchObject([{ applied: false }]);
  expect(await world.sql("SELECT state, response FROM runs WHERE id = $1", [id])).toEqual([
    { state: "running", response: null },
  ]);
  await db.close();
});

it("a pod whose runs the restored database does not know lets go of them and goes on", async () => {
  const { client, engine } = await world.start();
  const old = await client.createSession();
  backup = (await backup?.discard(), await backUp(world.postgres));
  await world.fresh({ latencyMs: 3000 });
  const lost = await client.createSession();
  const { id } = await client.startRun(lost.id, "Hello");
  await eventually(
    () => engine.active,
    (active) => active === 1,
  );
  await backup.restore();
  await world.fresh();
  await eventually(
    () => engine.active,
    (active) => active === 0,
  );
  expect(await state(id)()).toBeUndefined();
  const gone = client.ask(lost.id, "Hello");
  await expect(gone).rejects.toMatchObject({ status: 404 });
  expect((await client.ask(old.id, "Hello")).state).toBe("completed");
});

describe("names and texts that are odd", () => {
  const ODD = [
    "'; DROP TABLE sessions; --",
    '"',
    "\\",
    "$1",
    "名前",
    "e\u0301",
    "\u202E",
    "\u{1F600}",
    "user",
    "public",
    "pg_toast",
    "x".repeat(64),
  ];

  it("are kept as they are in the metadata of a session, and read back so", async () => {
    const { client, url } = await world.start();
    const metadata = Object.fromEntries(ODD.map((it) => [it, it]));
    const response = await call(url, "POST", "/v1/sessions", JSON.stringify({ metadata }));
    expect(response.status).toBe(201);
    const { id } = (await response.json()) as { id: string };
    const read = (await (await call(url, "GET", `/v1/sessions/${id}`)).json()) as { metadata: object };
    expect(read.metadata).toEqual(metadata);
    expect((await client.ask(id, "Hello")).state).toBe("completed");
  });

  it("of NUL and halves of a pair do no harm: what Postgres cannot keep is replaced", async () => {
    const { url } = await world.start();
    const body = '{"metadata":{"a\\u0000b":"x\\u0000y","half":"\\ud800"}}';
    const response = await call(url, "POST", "/v1/sessions", body);
    expect(response.status).toBe(201);
    const session = (await response.json()) as { id: string; metadata: object };
    expect(JSON.stringify(session.metadata)).not.toMatch(/\\u0000|\\ud800/);
  });

  it("of users are theirs alone", async () => {
    const { url } = await world.start();
    const users = ["'; DROP TABLE runs; --", '"', "user", "public", "pg_read_all_data", "x".repeat(256), "a", "a "];
    const made = new Map<string, string>();
    for (const user of users) {
      const response = await call(url, "POST", "/v1/sessions", "{}", { "x-user-id": user });
      expect({ user, status: response.status }).toEqual({ user, status: 201 });
      made.set(user.trim(), ((await response.json()) as { id: string }).id);
    }
    for (const user of made.keys()) {
      for (const [owner, id] of made) {
        const { status } = await call(url, "GET", `/v1/sessions/${id}`, undefined, { "x-user-id": user });
        expect({ user, owner, status }).toEqual({ user, owner, status: user === owner ? 200 : 403 });
      }
    }
    const tooLong = await call(url, "POST", "/v1/sessions", "{}", { "x-user-id": "x".repeat(257) });
    expect(tooLong.status).toBe(401);
  });

  const REFUSED: [what: string, body: string, status: number][] = [
    ["a megabyte of metadata", JSON.stringify({ metadata: { a: "x".repeat(1_100_000) } }), 413],
    ["metadata that is too long", JSON.stringify({ metadata: { a: "x".repeat(1025) } }), 400],
    ["a key that is too long", JSON.stringify({ metadata: { ["k".repeat(65)]: "" } }), 400],
    ["metadata that is no text", JSON.stringify({ metadata: { a: { b: 1 } } }), 400],
    [
      "too many entries",
      JSON.stringify({ metadata: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`k${n}`, ""])) }),
      400,
    ],
    ["no JSON", "{", 400],
  ];
  it.each(REFUSED)("%s is refused with a sentence", async (_what, body, status) => {
    const { url } = await world.start();
    const response = await call(url, "POST", "/v1/sessions", body);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(((await response.json()) as { detail: string }).detail).not.toBe("");
  });
});
