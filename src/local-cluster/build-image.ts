import { mkdir, readFile, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../telemetry/progress.ts";
import { ensureBaseImage } from "./base-image.ts";
import { contextFiles } from "./build-context.ts";
import { buildah, buildahBuild, pruneSteps } from "./buildah.ts";
import { cacheFolder, exists } from "./cache.ts";
import { containerEngine, type Engine } from "./container-engine.ts";
import { LocalClusterError } from "./errors.ts";
import { hashOf } from "./hash.ts";
import { unpackedBytes } from "./image-archive.ts";
import { withLock } from "./lock.ts";
import { run } from "./run.ts";

export interface ImageOptions {
  /** A folder; its .dockerignore counts. */
  context: string;
  /** A path. */
  dockerfile: string;
  /** `repository:tag`; with {@link contentTag}, a hash of what goes in is added to it, so that other contents have another name. */
  tag: string;
  contentTag?: boolean;
  progress: Progress;
  /** The paths of the context that the image depends on, when it isn't all that the .dockerignore leaves. */
  inputs?: string[];
  signal?: AbortSignal;
}

export interface BuiltImage {
  /** A docker-archive. Stays until a few newer ones have been built. */
  archive: string;
  /** Unpacked size in bytes. */
  bytes: number;
  tag: string;
}

const kept = 8; // archives

async function withEngine(engine: Engine, options: ImageOptions, archive: string): Promise<void> {
  const { context, dockerfile, tag, signal } = options;
  await run(engine, ["build", "--tag", tag, "--file", dockerfile, context], { signal });
  const format = engine === "podman" ? ["--format", "docker-archive"] : [];
  await run(engine, ["save", ...format, "--output", archive, tag], { signal });
}

async function withBuildah(options: ImageOptions, archive: string): Promise<void> {
  const { context, dockerfile, tag, signal } = options;
  await buildahBuild(context, dockerfile, tag, { layers: true, signal });
  await buildah(["push", "--quiet", tag, `docker-archive:${archive}:${tag}`], { signal });
  await pruneSteps();
}

async function removeOld(folder: string): Promise<void> {
  const archives = (await readdir(folder)).filter((name) => name.endsWith(".tar")).map((name) => join(folder, name));
  const dated = await Promise.all(archives.map(async (path) => ({ path, used: (await stat(path)).mtimeMs })));
  for (const { path } of dated.toSorted((a, b) => b.used - a.used).slice(kept)) await rm(path, { force: true });
}

/**
 * Builds an image from a Dockerfile, with Docker or Podman where one answers, else with buildah on a base image made here.
 * The same inputs give the same archive without building.
 */
export async function buildImage(asked: ImageOptions): Promise<BuiltImage> {
  const { context, dockerfile, progress, signal } = asked;
  const recipe = await readFile(dockerfile, "utf8");
  const hash = await hashOf(
    [asked.tag, String(asked.contentTag ?? false), process.arch, recipe],
    context,
    await contextFiles(context, asked.inputs),
  );
  const tag = asked.contentTag ? `${asked.tag}-${hash.slice(0, 12)}` : asked.tag;
  const options = { ...asked, tag };
  const folder = join(cacheFolder(), "images");
  const archive = join(folder, `${hash}.tar`);
  await mkdir(folder, { recursive: true });
  if (!(await exists(archive))) {
    await withLock(join(cacheFolder(), "images.lock"), progress, async () => {
      if (await exists(archive)) return;
      const engine = await containerEngine();
      if (!engine && !(process.platform === "linux" && process.getuid?.() === 0)) {
        throw new LocalClusterError(`building ${tag} needs Docker or Podman, or Linux and root`);
      }
      if (!engine) await ensureBaseImage(progress, signal);
      await progress.step(`building the image ${tag}`, async () => {
        const draft = `${archive}.new`;
        await rm(draft, { force: true });
        if (engine) await withEngine(engine, options, draft);
        else await withBuildah(options, draft);
        await rename(draft, archive);
      });
    });
  }
  await utimes(archive, new Date(), new Date());
  await removeOld(folder);
  return { archive, bytes: await unpackedBytes(archive), tag };
}
