import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { worstOf } from "../runtime/engine/worst-case.ts";
import { toParams } from "../runtime/model/client.ts";
import { checkedCall } from "./call.ts";
import { parseBrokerConfig } from "./config.ts";
import { type Route, routeOf } from "./routes.ts";

const config = (allowedModels: string[] = []) =>
  parseBrokerConfig(
    JSON.stringify({
      tenant: { name: "acme", uid: "u", namespace: "acme" },
      issuer: "i",
      allowedModels,
      budget: {},
    }),
  );
const route = (path: string) => routeOf("POST", path) as Route;
const text = fc.string({ unit: "binary" });
const request = fc.record({
  model: fc.constantFrom("claude-sonnet-5-5", "claude-opus-5-5", "something-else"),
  system: fc.option(text, { nil: undefined }),
  tools: fc.array(fc.record({ name: text, description: text, input_schema: fc.dictionary(text, fc.jsonValue()) }), {
    maxLength: 3,
  }),
  messages: fc.array(
    fc.record({
      role: fc.constantFrom("user" as const, "assistant" as const),
      content: fc.array(fc.record({ type: fc.constant("text"), text }), { maxLength: 3 }),
    }),
    { maxLength: 4 },
  ),
  maxTokens: fc.integer({ min: 1, max: 64_000 }),
});

describe("a call", () => {
  it("may cost at most here what the runtime reserves for it, alone and in a batch", () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 3 }), (requests) => {
        const bodies = requests.map((it) => ({ ...toParams(it), stream: true }));
        const [first] = requests as [(typeof requests)[0]];
        expect(checkedCall(route("/v1/messages"), JSON.stringify(bodies[0]), config()).worst).toEqual(worstOf(first));
        const batch = { requests: bodies.map((params, at) => ({ custom_id: String(at), params })) };
        const { worst } = checkedCall(route("/v1/messages/batches"), JSON.stringify(batch), config());
        const each = requests.map((it) => worstOf(it, true));
        expect(worst.tokens).toBe(each.reduce((sum, it) => sum + it.tokens, 0));
        expect(worst.usd).toBeCloseTo(
          each.reduce((sum, it) => sum + it.usd, 0),
          10,
        );
      }),
    );
  });

  it("is sent as it was meant, whatever is in it", () => {
    fc.assert(
      fc.property(request, fc.jsonValue(), (it, more) => {
        const body = JSON.stringify({ ...toParams(it), more });
        expect(checkedCall(route("/v1/messages"), body, config()).body).toBe(body);
      }),
    );
  });

  it("that names its model twice is sent with the one that was looked at", () => {
    const twice = '{"model":"b","max_tokens":1,"messages":[],"model":"a"}';
    expect(checkedCall(route("/v1/messages"), twice, config(["a"])).body).toBe(
      '{"model":"a","max_tokens":1,"messages":[]}',
    );
  });

  it("of one model among many that are allowed is not, when another is in its batch", () => {
    const params = (model: string) => ({ model, max_tokens: 1, messages: [] });
    const batch = (...models: string[]) => JSON.stringify({ requests: models.map((it) => ({ params: params(it) })) });
    const check = (...models: string[]) => checkedCall(route("/v1/messages/batches"), batch(...models), config(["a"]));
    expect(check("a", "a").models).toEqual(["a"]);
    expect(() => check("a", "b", "a")).toThrow("the model b is not among this tenant's models");
  });

  it("that asks about a model is of a model that is allowed", () => {
    const check = (model: string) => checkedCall(routeOf("GET", `/v1/models/${model}`) as Route, "", config(["a"]));
    expect(check("a").models).toEqual(["a"]);
    expect(() => check("b")).toThrow("the model b is not among this tenant's models");
  });
});
