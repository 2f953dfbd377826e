import { expect, test } from "vitest";
import { ConfigError, readEnvironment } from "../config.ts";
import { traceSettings } from "./settings.ts";

const settings = (env: Record<string, string>) => traceSettings(readEnvironment(env));
const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };

test("without an endpoint nobody collects traces", () => {
  expect(settings({})).toBeUndefined();
  expect(settings({ OTEL_EXPORTER_OTLP_ENDPOINT: "" })).toBeUndefined();
});

test("an endpoint for all signals gets the path of traces, one for traces is taken as it is", () => {
  expect(settings(ENDPOINT)).toEqual({
    url: "http://collector:4318/v1/traces",
    ratio: 1,
    sessionIds: false,
    queue: { most: 2048, gatherMs: 2000 },
  });
  expect(settings({ OTEL_EXPORTER_OTLP_ENDPOINT: "https://c/otlp/" })?.url).toBe("https://c/otlp/v1/traces");
  expect(settings({ ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t/x" })?.url).toBe("http://t/x");
});

test("the standard switches turn traces off", () => {
  expect(settings({ ...ENDPOINT, OTEL_TRACES_EXPORTER: "none" })).toBeUndefined();
  expect(settings({ ...ENDPOINT, OTEL_SDK_DISABLED: "TRUE" })).toBeUndefined();
});

test("a ratio counts where the sampler asks for it", () => {
  const ratio = { OTEL_TRACES_SAMPLER_ARG: "0.25" };
  expect(settings({ ...ENDPOINT, ...ratio })?.ratio).toBe(1);
  expect(settings({ ...ENDPOINT, ...ratio, OTEL_TRACES_SAMPLER: "parentbased_traceidratio" })?.ratio).toBe(0.25);
  expect(settings({ ...ENDPOINT, ...ratio, OTEL_TRACES_SAMPLER: "parentbased_always_off" })?.ratio).toBe(0);
});

test.each([
  [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "collector:4318",
    /OTEL_EXPORTER_OTLP_ENDPOINT: must be an http:\/\/ or https:\/\/ URL/,
  ],
  ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", /OTEL_EXPORTER_OTLP_PROTOCOL: must be http\/json/],
  ["OTEL_TRACES_SAMPLER", "always_on", /OTEL_TRACES_SAMPLER: must be one of parentbased_always_on/],
  ["OTEL_TRACES_SAMPLER_ARG", "50%", /OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1/],
  ["OTEL_TRACES_SAMPLER_ARG", "2", /OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1/],
  ["OTEL_TRACES_EXPORTER", "jaeger", /OTEL_TRACES_EXPORTER: must be otlp or none/],
])("%s=%s is refused by its name, with what to write", (name, value, message) => {
  expect(() => settings({ ...ENDPOINT, [name]: value })).toThrow(ConfigError);
  expect(() => settings({ ...ENDPOINT, [name]: value })).toThrow(message);
});
