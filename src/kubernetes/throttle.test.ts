import { expect, test } from "vitest";
import { flowOf, Throttle } from "./throttle.ts";

const refused = (level?: string, retryAfterMs: number | undefined = 2000) => ({ status: 429, level, retryAfterMs });
const fine = (level: string) => ({ status: 200, level, retryAfterMs: undefined });

function atTime() {
  const clock = { ms: 1000 };
  return { clock, throttle: new Throttle({ now: () => clock.ms, random: () => 0 }) };
}

test("requests that differ in names only are one flow", () => {
  expect(flowOf("GET", "/apis/apps/v1/namespaces/acme/deployments/agent-a")).toBe("GET apps/v1/deployments");
  expect(flowOf("GET", "/apis/apps/v1/deployments")).toBe("GET apps/v1/deployments");
  expect(flowOf("PATCH", "/apis/agentpg.dev/v1alpha1/tenants/acme/status")).toBe("PATCH agentpg.dev/v1alpha1/tenants");
  expect(flowOf("GET", "/api/v1/namespaces/acme")).toBe("GET v1/namespaces");
  expect(flowOf("GET", "/api/v1/namespaces/acme/pods")).toBe("GET v1/pods");
  expect(flowOf("GET", "/openid/v1/jwks")).toBe("GET v1/jwks");
});

test("one refused request holds back all of its priority level until Retry-After is over, and no others", () => {
  const { clock, throttle } = atTime();
  throttle.heard("GET pods", fine("workload"));
  throttle.heard("GET leases", fine("leader-election"));
  throttle.heard("PATCH deployments", refused("workload"));
  expect(throttle.waitMs("GET pods")).toBe(2000);
  expect(throttle.waitMs("PATCH deployments")).toBe(2000);
  expect(throttle.waitMs("GET leases")).toBe(0);
  expect(throttle.waitMs("GET nodes")).toBe(0); // never sent: its level is not known yet
  clock.ms += 2000;
  expect(throttle.waitMs("GET pods")).toBe(0);
});

test("a refusal without a priority level holds back its own flow", () => {
  const { throttle } = atTime();
  throttle.heard("GET pods", refused());
  expect(throttle.waitMs("GET pods")).toBe(2000);
  expect(throttle.waitMs("PATCH pods")).toBe(0);
});

test("the longest wait that was asked for counts; an answer without one asks for nothing", () => {
  const { throttle } = atTime();
  throttle.heard("GET pods", refused("a", 5000));
  throttle.heard("GET pods", refused("a", 1000));
  throttle.heard("GET nodes", { status: 429, level: "b", retryAfterMs: undefined });
  throttle.heard("GET nodes", { status: 500, level: "b", retryAfterMs: 9000 });
  expect(throttle.waitMs("GET pods")).toBe(5000);
  expect(throttle.waitMs("GET nodes")).toBe(0);
});

test("those who wait do not come back all at once", () => {
  const rolls = [0, 0.5, 1];
  const throttle = new Throttle({ now: () => 0, random: () => rolls.shift() ?? 0 });
  throttle.heard("GET pods", refused("a", 1000));
  expect([1, 2, 3].map(() => throttle.waitMs("GET pods"))).toEqual([1000, 1250, 1500]);
});
