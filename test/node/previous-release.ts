import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildImage } from "../../src/local-cluster/index.ts";
import { run } from "../../src/local-cluster/run.ts";
import type { Progress } from "../../src/telemetry/progress.ts";

const root = join(import.meta.dirname, "..", "..");

/** What stands for the release before this one, until there is one: the newest commit with another chart. */
const COMMIT = "4025e6b3d01dcb764d0ffbe3a1b56a886930391b";

/** Its chart with its CRDs, as they were, but for the dashboards and alerts, which are off. */
export const PREVIOUS_CHART = join(root, "test", "upgrade", "previous");

/** The newest of its migrations. */
export const PREVIOUS_SCHEMA = 5;

/** Its image, built from the history. undefined where the checkout has none. */
export async function buildPreviousImage(progress: Progress): Promise<{ archive: string; tag: string } | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "agentpg-previous-"));
  try {
    const archive = join(folder, "source.tar");
    const parts = ["Dockerfile", ".dockerignore", "package.json", "package-lock.json", "tsconfig.json"];
    const args = ["archive", "--output", archive, COMMIT, ...parts, "dev/bundle.ts", "src", "migrations"];
    const there = await run("git", args, { cwd: root }).then(
      () => true,
      () => false,
    );
    if (!there) return undefined;
    await run("tar", ["xf", archive, "-C", folder]);
    await rm(archive);
    const tag = "localhost/agentpg/agentpg-operator:previous";
    return await buildImage({
      context: folder,
      dockerfile: join(folder, "Dockerfile"),
      tag,
      contentTag: true,
      progress,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
