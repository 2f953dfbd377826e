import { describe, expect, it } from "vitest";
import type { Message } from "../../database/runs/run.ts";
import { ContextGauge } from "./context-gauge.ts";
import { contextLimits } from "./limits.ts";

const says = (text: string): Message => ({ role: "user", content: [{ type: "text", text }] });
const none = () => 0;

describe("the gauge of a context", () => {
  it("estimates on the safe side as long as the API has said nothing", () => {
    const { tokens, atMost, exact } = new ContextGauge().read([says("x".repeat(30_000))], () => 500);
    expect(exact).toBe(false);
    expect(tokens).toBeGreaterThan(10_500);
    expect(atMost).toBe(2 * tokens);
  });
  it("knows what the last answer said, cache and all, and estimates only what came since", () => {
    const gauge = new ContextGauge();
    const messages = [says("a question")];
    gauge.answered({ input: 100, cacheRead: 5000, cacheWrite: 300, output: 20 }, messages.length);
    messages.push({ role: "assistant", content: [{ type: "text", text: "an answer" }] });
    expect(gauge.read(messages, none)).toEqual({ tokens: 5420, atMost: 5420, exact: true });
    messages.push(says("x".repeat(3000)));
    const { tokens, exact } = gauge.read(messages, none);
    expect(exact).toBe(false);
    expect(tokens).toBeGreaterThan(6400);
    expect(tokens).toBeLessThan(6500);
  });
  it("knows nothing any more of a conversation that was shortened", () => {
    const gauge = new ContextGauge();
    gauge.counted(5000, 10);
    expect(gauge.read([says("short")], none).tokens).toBeLessThan(50);
  });
  it("takes a text in Chinese for what it is", () =>
    expect(new ContextGauge().read([says("你好".repeat(1000))], none).tokens).toBeGreaterThan(2000));
});

describe("the limits of a context", () => {
  const compaction = {
    triggerRatio: 0.85,
    targetTokens: 80_000,
    preserveLast: 10,
    protectedTokens: 40_000,
    summarizerModel: "claude-haiku-5-5",
  };
  it("are those of the settings when the window is large enough for them", () =>
    expect(contextLimits({ compaction, maxOutputTokens: 4096 }, 200_000)).toEqual({
      window: 200_000,
      trigger: 170_000,
      target: 80_000,
      protectedTokens: 40_000,
    }));
  it("leave room for the answer", () =>
    expect(contextLimits({ compaction, maxOutputTokens: 64_000 }, 200_000).trigger).toBe(136_000));
  it("fit into a small window", () =>
    expect(contextLimits({ compaction, maxOutputTokens: 4096 }, 10_000)).toMatchObject({
      trigger: 5904,
      target: 5313,
      protectedTokens: 5313,
    }));
});
