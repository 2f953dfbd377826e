import { copyFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Progress } from "../telemetry/progress.ts";
import { buildah, buildahBuild } from "./buildah.ts";
import { cacheFolder, wholeFolder } from "./cache.ts";
import { ensurePackages } from "./debian.ts";
import { hashOf } from "./hash.ts";
import { withLock } from "./lock.ts";
import { run } from "./run.ts";
import { npmVersion } from "./versions.ts";

/** The image that the Dockerfiles of this repository start from. */
const tag = "docker.io/library/node:24-bookworm-slim";

/** What buildah and the base image take from Debian. */
export const imagePackages = ["buildah", "mmdebstrap"];

const certificates = "/etc/ssl/certs/ca-certificates.crt";

const dockerfile = `FROM scratch
ADD rootfs.tar /
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
COPY npmrc /usr/local/lib/node_modules/npm/npmrc
COPY ca-certificates.crt ${certificates}
CMD ["node"]
`;

function nodeProgram(): string {
  const require = createRequire(import.meta.url);
  try {
    return join(require.resolve(`node-linux-${process.arch}/package.json`), "..", "bin", "node");
  } catch {
    return process.execPath;
  }
}

/** Debian's own files, made once. */
async function debianRootfs(progress: Progress, signal?: AbortSignal): Promise<string> {
  const folder = await wholeFolder(join(cacheFolder(), "debian-bookworm"), (draft) =>
    progress.step("unpacking Debian bookworm for the base image", async () => {
      const include = "--include=ca-certificates,libstdc++6";
      await run("mmdebstrap", ["--quiet", "--variant=minbase", include, "bookworm", join(draft, "rootfs.tar")], {
        signal,
      });
    }),
  );
  return join(folder, "rootfs.tar");
}

async function npmPackage(): Promise<string> {
  const folder = await wholeFolder(join(cacheFolder(), `npm-${npmVersion}`), async (draft) => {
    await run("npm", ["pack", "--silent", `npm@${npmVersion}`], { cwd: draft });
    await run("tar", ["-xzf", `npm-${npmVersion}.tgz`], { cwd: draft });
  });
  return join(folder, "package");
}

/**
 * npm inside the image reaches the registry as this machine does: its registry and certificates. This is npm's builtin
 * file: the global one lies elsewhere as soon as a step says `--prefix`.
 * The tarballs that a lockfile names on the public registry come from that registry too.
 */
async function npmConfiguration(): Promise<string> {
  const registry = (await run("npm", ["config", "get", "registry"])).trim();
  return `registry=${registry}\ncafile=${certificates}\nupdate-notifier=false\n`;
}

/** Makes the base image in buildah's store, unless it is there: no registry has to be reached. */
export async function ensureBaseImage(progress: Progress, signal?: AbortSignal): Promise<void> {
  await ensurePackages(imagePackages, progress, signal);
  await withLock(join(cacheFolder(), "base-image.lock"), progress, async () => {
    const npmrc = await npmConfiguration();
    const bundle = await readFile(certificates, "utf8").catch(() => "");
    const wanted = await hashOf([dockerfile, npmrc, bundle, npmVersion, nodeProgram()]);
    const local = `localhost/agentpg-base:${wanted}`;
    const isThere = await buildah(["images", "--quiet", local]).catch(() => "");
    if (isThere.trim() !== "") return;
    const rootfs = await debianRootfs(progress, signal);
    await progress.step(`making ${tag} here, as no registry has to be reached`, () =>
      makeImage(rootfs, npmrc, local, signal),
    );
  });
}

async function makeImage(rootfs: string, npmrc: string, local: string, signal?: AbortSignal): Promise<void> {
  const context = await mkdtemp(join(cacheFolder(), ".base-image-"));
  try {
    await Promise.all([
      copyFile(rootfs, join(context, "rootfs.tar")),
      copyFile(nodeProgram(), join(context, "node")),
      cp(await npmPackage(), join(context, "npm"), { recursive: true }),
      writeFile(join(context, "npmrc"), npmrc),
      copyFile(certificates, join(context, "ca-certificates.crt")),
      writeFile(join(context, "Dockerfile"), dockerfile),
    ]);
    await buildahBuild(context, join(context, "Dockerfile"), tag, { signal });
    await buildah(["tag", tag, local]);
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}
