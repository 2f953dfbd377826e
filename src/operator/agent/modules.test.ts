import { expect, test } from "vitest";
import { agent } from "../../api/agent.ts";
import { agentModules } from "./modules.ts";

const module = (name: string, map: string, key: string) => ({ name, configMapKeyRef: { name: map, key } });
const anAgent = agent.parse({
  metadata: { name: "a", namespace: "acme", uid: "a" },
  spec: { model: "m", modules: [module("shop", "tools", "shop.ts"), module("gone", "none", "a.js")] },
});
const maps: Record<string, Record<string, string>> = { tools: { "shop.ts": "1", "cards.ts": "1" } };

test("a module is what its ConfigMap has, and one that is not there is told apart", () => {
  const { found, missing } = agentModules(anAgent, (name) => maps[name]);
  expect(found).toEqual([{ name: "shop", file: "shop.ts", revision: expect.stringMatching(/^[0-9a-f]{10}$/) }]);
  expect(missing.map((it) => it.name)).toEqual(["gone"]);
});

test("a change of any file of the ConfigMap is a new revision, so that pods start anew", () => {
  const revision = (data: Record<string, string>) => agentModules(anAgent, () => data).found[0]?.revision;
  expect(revision({ "shop.ts": "1", "cards.ts": "2" })).not.toBe(revision({ "shop.ts": "1", "cards.ts": "1" }));
  expect(revision({ "cards.ts": "1", "shop.ts": "1" })).toBe(revision({ "shop.ts": "1", "cards.ts": "1" }));
});
