import { expect, test } from "vitest";
import { judgeServer } from "./server-state.ts";

const server = (version: string, encoding = "UTF8") =>
  new Map([
    ["server_version", version],
    ["server_encoding", encoding],
  ]);

test.each(["16.0", "16.4 (Debian 16.4-1.pgdg120+1)", "17beta1", "18.1", "100.1"])("Postgres %s is taken", (version) => {
  expect(() => judgeServer(server(version))).not.toThrow();
});

test.each(["15.18", "15devel", "9.6.24", "14.2 (EnterpriseDB)"])("Postgres %s is refused by its version", (version) => {
  expect(() => judgeServer(server(version))).toThrow(/AgentPG needs 16 or newer/);
});

test.each(["SQL_ASCII", "LATIN1", "EUC_JP"])("a database in %s is refused", (encoding) => {
  expect(() => judgeServer(server("18.1", encoding))).toThrow(new RegExp(`${encoding}.*ENCODING 'UTF8'`));
});

test("what the server, or a pooler in front of it, does not report proves nothing", () => {
  expect(() => judgeServer(new Map())).not.toThrow();
});
