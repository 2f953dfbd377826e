import { describe, expect, it } from "vitest";
import { storableJson, storableText } from "../database/runs/storable.ts";
import { parseAgentConfig, readEnvironment } from "./config.ts";
import { settingsFromFiles, settingsFromUrl } from "./credentials/database-settings.ts";
import { Watched } from "../process/watched.ts";
import { eventId, parseEventId } from "./engine/events.ts";
import { costOf, worstCostOf } from "./prices.ts";
import { argumentOrder, rowsAsText } from "./tools/sql.ts";
import { capped } from "./tools/tool.ts";
import { InputChecks } from "./tools/validation.ts";
import { isUuid, uuidv7, uuidv7Since } from "./uuid.ts";

describe("an id", () => {
  it("is a UUIDv7 that sorts by time", () => {
    const [a, b] = [uuidv7(1000), uuidv7(2000)];
    expect(isUuid(a) && a[14] === "7" && /[89ab]/.test(a[19] as string)).toBe(true);
    expect(a < b && uuidv7Since(1000) <= a && a < uuidv7Since(1001)).toBe(true);
  });
});

describe("a place in a stream", () => {
  it("survives its way through the client", () => {
    expect(parseEventId(eventId({ seq: 3, part: 2 }))).toEqual({ seq: 3, part: 2 });
    expect(parseEventId("12")).toEqual({ seq: 12, part: 0 });
    expect(parseEventId("x")).toBeUndefined();
    expect(parseEventId(undefined)).toBeUndefined();
  });
});

describe("credentials", () => {
  const files = {
    host: "db",
    port: "5432",
    dbname: "d",
    username: "u",
    password: "p",
    sslmode: "verify-full",
    "ca.crt": "CA",
    schema: "t_0123456789ab",
    revision: "7",
  };
  it("are verified TLS", () =>
    expect(settingsFromFiles(files, false)).toMatchObject({ connection: { tls: { ca: "CA" } }, revision: "7" }));
  it.each(["host", "username", "password", "schema", "dbname"])("without %s are none", (file) => {
    expect(() => settingsFromFiles({ ...files, [file]: "" }, false)).toThrow(file);
  });
  it("go in plain text only when that is asked for aloud", () => {
    expect(() => settingsFromFiles({ ...files, sslmode: "disable" }, false)).toThrow(/AGENTPG_INSECURE_DATABASE/);
    expect(settingsFromFiles({ ...files, sslmode: "disable" }, true).connection.tls).toBe("disable");
  });
  it("may be a URL, whose errors never show it", () => {
    expect(settingsFromUrl("postgres://u:p%40ss@db:5433/d", "t_0123456789ab", undefined, false).connection).toEqual({
      host: "db",
      port: 5433,
      database: "d",
      user: "u",
      password: "p@ss",
      tls: {},
    });
    for (const url of ["postgres://u@db/d", "nonsense secret", "postgres://u:secret@db"])
      expect(() => settingsFromUrl(url, "t_0123456789ab", undefined, false)).toThrow(/^(?!.*secret)/);
  });
  it("that cannot be read any more stay what they were", async () => {
    let next: () => Promise<string> = async () => "one";
    const watched = new Watched(() => next());
    await watched.refresh();
    next = async () => Promise.reject(new Error("gone"));
    expect(await watched.refresh()).toBe("one");
    expect(watched.problem?.message).toBe("gone");
  });
});

describe("the configuration", () => {
  it("says what is wrong with it", () => {
    expect(() => parseAgentConfig("{")).toThrow(/not JSON/);
    expect(() => parseAgentConfig("{}")).toThrow(/tenant/);
    expect(() => readEnvironment({ AGENTPG_POOL_MAX: "many" })).toThrow(/AGENTPG_POOL_MAX/);
  });
  it("takes an empty variable as none", () => expect(readEnvironment({ AGENTPG_PORT: "" }).AGENTPG_PORT).toBe(8080));
});

describe("a price", () => {
  const tokens = { input: 1_000_000, output: 1_000_000, cacheRead: 1_000_000, cacheWrite: 1_000_000 };
  it("is by family; an unknown model is the dearest", () => {
    expect(costOf("claude-sonnet-5-5", tokens)).toBeCloseTo(3 + 15 + 0.3 + 3.75);
    expect(costOf("claude-next", tokens)).toBeGreaterThan(costOf("claude-opus-5-5", tokens));
  });
  it("at its worst is at least what it turns out to be", () => {
    expect(worstCostOf("claude-haiku-5-5", 1000, 100)).toBeGreaterThanOrEqual(
      costOf("claude-haiku-5-5", { input: 500, output: 100, cacheRead: 300, cacheWrite: 200 }),
    );
  });
});

describe("a tool's input", () => {
  const check = new InputChecks().compile({
    type: "object",
    properties: { id: { type: "integer" }, at: { type: "string", format: "date" } },
    required: ["id"],
    additionalProperties: false,
  });
  it("is checked against its schema, and the answer says what to change", () => {
    expect(check({ id: 1, at: "2026-01-01" })).toBeUndefined();
    expect(check({ id: "1" })).toMatch(/id must be integer/);
    expect(check({ id: 1, at: "soon" })).toMatch(/at must match format "date"/);
    expect(check({ id: 1, x: 1 })).toMatch(/additional properties: x/);
    expect(check(null)).toBeDefined();
  });
  it("is bound in the order that was told, or of what is required", () => {
    const parameters = { type: "object", properties: { b: {}, a: {}, c: {} }, required: ["c"] };
    expect(argumentOrder({ statement: "", parameters })).toEqual(["c", "a", "b"]);
    expect(argumentOrder({ statement: "", parameters, arguments: ["a"] })).toEqual(["a"]);
  });
});

describe("a tool's output", () => {
  it("is cut between rows, and says so", () => {
    const rows = Array.from({ length: 100 }, (_, n) => ({ n, text: "x".repeat(100) }));
    expect(rowsAsText(rows.slice(0, 2), false)).toBe(JSON.stringify(rows.slice(0, 2)));
    expect(JSON.parse(rowsAsText(rows, false, 1000))).toMatchObject({
      rows: rows.slice(0, 8),
      note: expect.stringContaining("8 rows"),
    });
  });
  it("is cut at whole characters", () => expect(capped("é".repeat(10), 5)).toBe("éé\n[cut: 5 of 20 bytes]"));
  it("can be stored whatever it is", () => {
    expect(storableText("a\u0000b\ud800c")).toBe("a\uFFFDb\uFFFDc");
    expect(storableJson({ a: ["\u0000"] })).toBe('{"a":["\uFFFD"]}');
  });
});
