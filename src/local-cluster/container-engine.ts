import { succeeds } from "./run.ts";

export type Engine = "docker" | "podman";

/** The container engine that answers, not merely a client that is installed. */
export async function containerEngine(): Promise<Engine | undefined> {
  const signal = AbortSignal.timeout(10_000);
  for (const engine of ["docker", "podman"] as const) {
    if (await succeeds(engine, ["info"], { signal })) return engine;
  }
  return undefined;
}
