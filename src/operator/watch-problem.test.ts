import { expect, test } from "vitest";
import { ApiError, ApiUnreachable } from "../kubernetes/errors.ts";
import { NETWORK_POLICY } from "../kubernetes/resource-kind.ts";
import { AGENT } from "./caches.ts";
import { watchProblem } from "./watch-problem.ts";

test("a missing definition is told from a cluster that is too old, and both from missing rights", () => {
  const unknown = new ApiError(404, "", "the API server answered 404");
  expect(watchProblem(AGENT, unknown)).toContain("kubectl apply --server-side -f charts/agentpg/crds/");
  expect(watchProblem(NETWORK_POLICY, unknown)).toContain("Kubernetes 1.31 or newer");
  expect(watchProblem(AGENT, new ApiError(403, "Forbidden", "no"))).toContain("may not list and watch agents");
});

test("what passes by itself is no problem", () => {
  for (const error of [new ApiUnreachable("gone"), new ApiError(410, "Expired", "old"), new ApiError(500, "", "oh")])
    expect(watchProblem(AGENT, error)).toBeUndefined();
});
