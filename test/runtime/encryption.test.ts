import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TranscriptCipher } from "../../src/database/encryption/cipher.ts";
import { type DataKeys, dataKeyFiles } from "../../src/database/encryption/data-keys.ts";
import { decodeRow } from "../../src/database/encryption/rows.ts";
import { createLogger } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";
import { all, SecretVolume, World } from "./fixture.ts";

const LOOKUP = {
  name: "lookup",
  description: "Looks a person up.",
  sql: {
    statement: "SELECT $1::text AS person, 'walnut' AS secret",
    parameters: { type: "object", properties: { person: { type: "string" } }, required: ["person"] },
  },
};
const RESEARCHER = { name: "researcher", description: "Researches.", agent: { name: "researcher" } };
const RULES = [
  { match: "look up (\\w+)", tool: "lookup", input: { person: "$1" }, answer: "The secret is {{result}}" },
  { match: "^ask the researcher (.+)", tool: "researcher", input: { task: "$1" }, answer: "It says: {{result}}" },
  { match: "^about (.+)", answer: "All there is to know about $1" },
  { match: "how many", answer: "There were {{questions}} questions, the first was: {{first}}" },
];

const first: DataKeys = { keys: { 1: randomBytes(32).toString("base64") }, current: 1 };
const second: DataKeys = { keys: { ...first.keys, 2: randomBytes(32).toString("base64") }, current: 2 };

let world: World;
let volume: SecretVolume;
let folders = 0;
beforeAll(async () => {
  world = await World.create();
});
afterAll(() => world?.close());
beforeEach(async () => {
  await world.fresh({ rules: RULES });
  volume = new SecretVolume(join(world.folder, `transcript-keys-${++folders}`));
  await volume.publish(dataKeyFiles(first));
});
afterEach(() => world.stopAgents());

type Parts = Parameters<World["start"]>;
const env = () => ({ AGENTPG_TRANSCRIPT_KEYS_DIR: volume.path });
const encrypting = (change: Parts[0] = {}, parts: Parts[1] = {}) =>
  world.start({ encryptTranscripts: true, ...change }, parts, env());
const plain = (change: Parts[0] = {}) => world.start(change, {}, env());
const readableIn = (agent: { status(): unknown }) =>
  (agent.status() as { transcripts: { readable: number[] } }).transcripts.readable;

/** All rows of all tables of the tenant's schema, as text. */
async function dump(): Promise<string> {
  const tables = await world.sql<{ name: string }>(
    "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = current_schema()",
  );
  const rows = await Promise.all(
    tables.map(({ name }) => world.sql<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)),
  );
  return rows
    .flat()
    .map((it) => it.row)
    .join("\n");
}
const stateOf = (run: string) => async () =>
  (await world.sql<{ state: string }>("SELECT state FROM runs WHERE id = $1", [run]))[0]?.state;
const generationsOf = (session: string) =>
  world.sql<{ key: number | null }>(
    "SELECT (content->>'key')::int AS key FROM messages WHERE session_id = $1 ORDER BY seq",
    [session],
  );
const text = (content: unknown) => (content as { text?: string }[])[0]?.text;

describe("an agent that encrypts", () => {
  it("leaves no plain text of a conversation in the database, and answers as ever", async () => {
    const { client } = await encrypting({ tools: [LOOKUP, RESEARCHER] });
    await encrypting({ name: "researcher" });
    const session = await client.createSession();
    const answer = await client.ask(session.id, "Please look up Rumpelstiltskin", {
      variables: { colour: "turquoise" },
    });
    expect(answer.response).toContain("walnut");
    const delegated = await client.ask(session.id, "Ask the researcher about xylophones");
    expect(delegated.response).toBe("It says: All there is to know about xylophones");
    const stored = await dump();
    for (const word of ["Rumpelstiltskin", "walnut", "turquoise", "xylophones", "There is to know", "look up"])
      expect(stored.toLowerCase()).not.toContain(word.toLowerCase());
    const { items } = await client.messages(session.id);
    expect(text(items[0]?.content)).toBe("Please look up Rumpelstiltskin");
    expect(JSON.stringify(items)).toContain("walnut");
  });

  it("finds the same words when it does not encrypt: the search above can fail", async () => {
    const { client } = await plain({ tools: [LOOKUP] });
    const session = await client.createSession();
    await client.ask(session.id, "Please look up Snowwhite", { variables: { colour: "magenta" } });
    const stored = await dump();
    for (const word of ["Snowwhite", "walnut", "magenta", "look up"]) expect(stored).toContain(word);
  });

  it("keeps an audit chain that is verified without a key", async () => {
    const { client } = await encrypting({ tools: [LOOKUP] });
    const session = await client.createSession();
    await client.ask(session.id, "Please look up Grimm");
    const broken = await world.sql(
      "SELECT seq FROM audit WHERE hash <> sha256(prev_hash || convert_to(record, 'UTF8'))",
    );
    expect(broken).toEqual([]);
    const [line] = await world.sql<{ record: string }>(
      "SELECT record FROM audit WHERE record::jsonb->>'action' = 'tool.called' ORDER BY seq DESC LIMIT 1",
    );
    expect(JSON.parse(line?.record ?? "{}")).toMatchObject({ tool: "lookup", input: { key: 1 } });
  });

  it("tells a repeated question from another one with the same key", async () => {
    const { client } = await encrypting();
    const session = await client.createSession();
    const run = await client.startRun(session.id, "Hello", { idempotencyKey: "once" });
    expect((await client.startRun(session.id, "Hello", { idempotencyKey: "once" })).id).toBe(run.id);
    await expect(client.startRun(session.id, "Other", { idempotencyKey: "once" })).rejects.toMatchObject({
      status: 422,
    });
  });

  it("works through queued questions, also of another pod", async () => {
    await world.fresh({ rules: RULES, latencyMs: 200 });
    const one = await encrypting();
    const other = await encrypting();
    const session = await one.client.createSession();
    const runs = [];
    for (const name of ["ants", "bees", "cats"])
      runs.push(await (name === "bees" ? other : one).client.startRun(session.id, `About ${name}`));
    const last = await all(other.client.events(runs[2]?.id ?? ""));
    expect(last.at(-1)?.data).toMatchObject({ state: "completed", response: "All there is to know about cats" });
    expect((await one.client.messages(session.id)).items).toHaveLength(6);
  });
});

describe("turning encryption on and off", () => {
  it("goes on with a session that is partly plain and partly encrypted", async () => {
    const off = await plain();
    const session = await off.client.createSession();
    await off.client.ask(session.id, "Plain one");
    const on = await encrypting();
    await on.client.ask(session.id, "Secret two");
    const answer = await off.client.ask(session.id, "How many?");
    expect(answer.response).toBe("There were 3 questions, the first was: Plain one");
    expect((await generationsOf(session.id)).map((it) => it.key)).toEqual([null, null, 1, 1, null, null]);
    const { items } = await on.client.messages(session.id);
    expect(items.filter((it) => it.role === "user").map((it) => text(it.content))).toEqual([
      "Plain one",
      "Secret two",
      "How many?",
    ]);
  });

  it("gives texts that look like stored ones back as they were", async () => {
    for (const { client } of [await plain(), await encrypting()]) {
      const session = await client.createSession();
      const odd = "agentpg:enc:v1:1:AAAA";
      const options = { idempotencyKey: "odd", variables: { "agentpg.dev/enc": "v1", key: 1, data: "AAAA" } };
      const run = await client.startRun(session.id, odd, options);
      await all(client.events(run.id));
      expect(text((await client.messages(session.id)).items[0]?.content)).toBe(odd);
      expect((await client.startRun(session.id, odd, options)).id).toBe(run.id);
    }
  });
});

describe("keys", () => {
  it("are waited for: an agent that should encrypt and cannot takes no work and writes nothing", async () => {
    volume = new SecretVolume(join(world.folder, `transcript-keys-${++folders}`));
    const workers = () => world.sql("SELECT 1 FROM workers WHERE agent = 'patient'");
    const lines: string[] = [];
    const log = createLogger("test", "warn", { write: (line) => void lines.push(line) });
    const starting = encrypting({ name: "patient" }, { log });
    await eventually(
      () => lines.join(""),
      (it) => it.includes("waiting for a key to encrypt"),
    );
    expect(await workers()).toEqual([]);
    await volume.publish(dataKeyFiles({ keys: first.keys, current: undefined }));
    await volume.publish(dataKeyFiles(first));
    const { client } = await starting;
    const session = await client.createSession();
    expect((await client.ask(session.id, "About patience")).state).toBe("completed");
  });

  it("are changed under load without a question that fails, and old answers stay readable", async () => {
    const one = await encrypting();
    const pods = [one, await encrypting()];
    const sessions = await Promise.all(Array.from({ length: 8 }, () => one.client.createSession()));
    const enough = new AbortController();
    const outcomes: string[] = [];
    const load = sessions.map(async (session, n) => {
      for (let turn = 0; !enough.signal.aborted; turn++) {
        const { client } = pods[(n + turn) % pods.length] as (typeof pods)[number];
        outcomes.push((await client.ask(session.id, `About number ${turn}`)).state);
      }
    });
    const answered = (count: number) =>
      eventually(
        () => outcomes.length,
        (it) => it >= count,
        30,
        20,
      );
    await answered(10);
    await volume.publish(dataKeyFiles({ ...second, current: 1 })); // first all can read with it …
    await eventually(
      () => pods.map(readableIn),
      (it) => it.every((generations) => generations.includes(2)),
    );
    await answered(outcomes.length + 10);
    await volume.publish(dataKeyFiles(second)); // … then they write with it
    const newest = "SELECT max((content->>'key')::int) AS key FROM messages WHERE jsonb_typeof(content) = 'object'";
    await eventually(
      () => world.sql<{ key: number }>(newest),
      (rows) => rows[0]?.key === 2,
    );
    await answered(outcomes.length + 10);
    enough.abort();
    await Promise.all(load);
    expect(new Set(outcomes)).toEqual(new Set(["completed"]));
    const late = await encrypting();
    for (const session of sessions) {
      const { items } = await late.client.messages(session.id);
      expect(items.filter((it) => it.role === "user").map((it) => text(it.content))[0]).toBe("About number 0");
      const used = new Set((await generationsOf(session.id)).map((it) => it.key));
      expect(used).toEqual(new Set([1, 2]));
    }
  }, 120_000);

  it("are read from the secrets directory when there is no operator", async () => {
    const folder = new SecretVolume(join(world.folder, "stand-alone/transcript-keys"));
    await folder.publish(dataKeyFiles(first));
    const secrets = new SecretVolume(join(world.folder, "stand-alone"));
    const { host, port, database, user, password } = world.connection;
    await secrets.publish({
      "anthropic-api-key": "sk-ant-test-0001",
      "database-url": `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}?sslrootcert=${join(world.folder, "database/ca.crt")}`,
    });
    const standAlone = { AGENTPG_SECRETS_DIR: secrets.path, AGENTPG_SCHEMA: world.names.schema };
    const { client } = await world.start({ encryptTranscripts: true }, {}, standAlone);
    const session = await client.createSession();
    expect((await client.ask(session.id, "About hermits")).state).toBe("completed");
    expect(await dump()).not.toContain("hermits");
  });
});

describe("a row that cannot be read", () => {
  it("fails its own session with a clear error, and no other", async () => {
    const lines: string[] = [];
    const log = createLogger("test", "info", { write: (line) => void lines.push(line) });
    const { client } = await encrypting({}, { log });
    const [mine, theirs] = [await client.createSession(), await client.createSession()];
    await client.ask(mine.id, "About one");
    await client.ask(theirs.id, "About two");
    await world.sql(
      `UPDATE messages m SET content = o.content FROM messages o WHERE m.session_id = $1 AND o.session_id = $2 AND m.seq = o.seq AND m.seq = 2`,
      [mine.id, theirs.id],
    );
    await expect(client.messages(mine.id)).rejects.toMatchObject({
      status: 500,
      message: "HTTP 500: something went wrong on our side",
    });
    expect(lines.join("")).toMatch(/messages\.content of .* data key generation 1: it was changed, or moved/);
    const before = world.claude.requests.length;
    await client.startRun(mine.id, "About three").catch(() => {});
    const state = () =>
      world.sql<{ state: string }>("SELECT state FROM runs WHERE session_id = $1 ORDER BY id DESC LIMIT 1", [mine.id]);
    await eventually(state, (rows) => rows[0]?.state === "failed");
    expect(world.claude.requests.length).toBe(before); // nothing of it went to the model
    expect((await client.ask(theirs.id, "About four")).state).toBe("completed");
  });

  it("says so when its key is not there", async () => {
    const one = await encrypting();
    const session = await one.client.createSession();
    await one.client.ask(session.id, "About keys");
    await world.stopAgents();
    volume = new SecretVolume(join(world.folder, `transcript-keys-${++folders}`));
    await volume.publish(dataKeyFiles({ keys: { 2: second.keys[2] as string }, current: 2 }));
    const lines: string[] = [];
    const log = createLogger("test", "info", { write: (line) => void lines.push(line) });
    const other = await encrypting({}, { log });
    await expect(other.client.messages(session.id)).rejects.toMatchObject({ status: 500 });
    expect(lines.join("")).toContain("data key generation 1, which is not here");
  });
});

it("an export decodes encrypted and plain rows alike", async () => {
  const { client } = await encrypting({ tools: [LOOKUP] });
  const session = await client.createSession();
  await client.ask(session.id, "Please look up Rapunzel");
  const cipher = new TranscriptCipher(world.names.schema, () => first);
  const decode = async (type: string, table: string, column: string) =>
    (await world.sql(`SELECT * FROM ${table} WHERE ${column} = $1`, [session.id])).map((row) =>
      decodeRow(cipher, type, row),
    );
  expect(await decode("run", "runs", "session_id")).toMatchObject([
    { prompt: "Please look up Rapunzel", response: expect.stringContaining("walnut"), error: null, variables: null },
  ]);
  expect(JSON.stringify(await decode("message", "messages", "session_id"))).toContain("Rapunzel");
  const [execution] = await world.sql(
    "SELECT t.* FROM tool_executions t JOIN runs r ON r.id = t.run_id WHERE r.session_id = $1",
    [session.id],
  );
  expect(decodeRow(cipher, "tool_execution", execution ?? {})).toMatchObject({
    input: { person: "Rapunzel" },
    output: expect.stringContaining("walnut"),
  });
});

describe("a run whose tool call cannot be read", () => {
  const waiting = async () => {
    const approvals = { tools: ["lookup"], timeoutSeconds: 60, onTimeout: "Deny" as const };
    const agent = await encrypting({ tools: [LOOKUP], approvals });
    const { client } = agent;
    const session = await client.createSession();
    const { id } = await client.startRun(session.id, "Please look up Rumpelstiltskin");
    await expect.poll(stateOf(id), { timeout: 10_000 }).toBe("awaiting_approval");
    await world.sql("UPDATE tool_executions SET input = jsonb_set(input, '{key}', '99') WHERE run_id = $1", [id]);
    return { ...agent, session, id };
  };
  const callOf = (run: string) => world.sql("SELECT state FROM tool_executions WHERE run_id = $1", [run]);

  it("ends when it is cancelled, and its session can be erased", async () => {
    const { client, url, session, id } = await waiting();
    await client.cancel(id);
    await expect.poll(stateOf(id), { timeout: 5000 }).toBe("cancelled");
    expect(await callOf(id)).toEqual([{ state: "failed" }]);
    expect((await fetch(`${url}/v1/sessions/${session.id}`, { method: "DELETE" })).status).toBe(204);
  });

  it("fails with the reason when it would go on", async () => {
    const { client, id } = await waiting();
    await world.sql("UPDATE runs SET wake_at = now() WHERE id = $1", [id]);
    await expect.poll(stateOf(id), { timeout: 5000 }).toBe("failed");
    expect((await client.getRun(id)).error?.type).toBe("transcript_unreadable");
    expect(await world.sql("SELECT fence FROM runs WHERE id = $1", [id])).toEqual([{ fence: 2 }]);
  });
});
