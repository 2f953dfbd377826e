import { expect, test } from "vitest";
import { operatorConfig } from "../../config.ts";
import { tracingEgress, tracingEnvironment } from "./tracing.ts";

const config = (tracing?: object) =>
  operatorConfig.parse({
    namespace: "agentpg-system",
    image: "agentpg:test",
    database: { host: "postgres", credentialsDir: "/x" },
    ...(tracing ? { tracing } : {}),
  });
const COLLECTOR = [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "tracing" } } }];

test("without a collector agents are told of none, and may reach none", () => {
  expect(tracingEnvironment(config())).toEqual([]);
  expect(tracingEgress(config())).toEqual([]);
});

test("agents learn the endpoint and the part of traces to keep, and of sessions only where that is allowed", () => {
  const endpoint = "http://collector.tracing:4318";
  expect(tracingEnvironment(config({ endpoint, sampleRatio: 0.1 }))).toEqual([
    { name: "OTEL_EXPORTER_OTLP_ENDPOINT", value: endpoint },
    { name: "OTEL_TRACES_SAMPLER", value: "parentbased_traceidratio" },
    { name: "OTEL_TRACES_SAMPLER_ARG", value: "0.1" },
  ]);
  expect(tracingEnvironment(config({ endpoint, sessionIds: true })).at(-1)?.name).toBe("AGENTPG_TRACE_SESSION_IDS");
});

test.each([
  [{ endpoint: "http://c:4318", peers: COLLECTOR }, COLLECTOR, 4318],
  [{ endpoint: "http://c:80", peers: COLLECTOR, peerPort: 4318 }, COLLECTOR, 4318],
  [{ endpoint: "https://c/otlp", peers: COLLECTOR }, COLLECTOR, 443],
])("the way to %o is open", (tracing, to, port) => {
  expect(tracingEgress(config(tracing))).toEqual([{ to, ports: [{ protocol: "TCP", port }] }]);
});

test("a collector whose place is not told may be anywhere but at the cloud's metadata", () => {
  const [rule] = tracingEgress(config({ endpoint: "http://c:4318" }));
  expect(rule?.to).toContainEqual({ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] } });
});

test.each([
  [{ endpoint: "collector:4318" }, "must be an http:// or https:// URL"],
  [{ endpoint: "http://user:secret@c:4318" }, "must not have credentials in it"],
  [{ endpoint: "http://c", sampleRatio: 10 }, "1"],
])("%o is refused", (tracing, message) => {
  expect(() => config(tracing)).toThrow(message);
});
