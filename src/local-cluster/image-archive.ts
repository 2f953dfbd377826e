import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { run } from "./run.ts";

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** An image of one static program and nothing else. */
export interface ProgramImage {
  tag: string;
  program: string;
  user?: string;
}

/**
 * Writes a docker-archive (what `docker save` gives) of a single program, without a container engine.
 * Format: https://github.com/moby/moby/blob/v28.0.0/image/spec/v1.2.md
 */
export async function writeProgramImage(image: ProgramImage, archive: string): Promise<void> {
  await mkdir(dirname(archive), { recursive: true });
  const draft = await mkdtemp(join(dirname(archive), ".image-"));
  try {
    const name = basename(image.program);
    await mkdir(join(draft, "root"));
    await copyFile(image.program, join(draft, "root", name));
    await chmod(join(draft, "root", name), 0o755);
    const reproducible = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"];
    await run("tar", ["-cf", "layer.tar", ...reproducible, "-C", "root", name], { cwd: draft });
    const config = JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Entrypoint: [`/${name}`], ...(image.user ? { User: image.user } : {}) },
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(await readFile(join(draft, "layer.tar")))}`] },
    });
    const configFile = `${sha256(config)}.json`;
    await writeFile(join(draft, configFile), config);
    const manifest = [{ Config: configFile, RepoTags: [image.tag], Layers: ["layer.tar"] }];
    await writeFile(join(draft, "manifest.json"), JSON.stringify(manifest));
    await run("tar", ["-cf", "whole.tar", "manifest.json", configFile, "layer.tar"], { cwd: draft });
    await rename(join(draft, "whole.tar"), archive);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

interface ArchivedImage {
  /** The digest of the image's configuration, which names its layers: equal for equal images. */
  id: string;
  tags: string[];
}

/** What is in a docker-archive. */
export async function imagesIn(archive: string): Promise<ArchivedImage[]> {
  const manifest = await run("tar", ["-xOf", archive, "manifest.json"]);
  const entries = JSON.parse(manifest) as { Config: string; RepoTags: string[] | null }[];
  return entries.map((entry) => ({ id: entry.Config, tags: entry.RepoTags ?? [] }));
}

/** The bytes of all layers, unpacked: what an image takes on a node. */
export async function unpackedBytes(archive: string): Promise<number> {
  const manifest = JSON.parse(await run("tar", ["-xOf", archive, "manifest.json"])) as { Layers: string[] }[];
  const layers = new Set(manifest.flatMap((image) => image.Layers));
  const listing = await run("tar", ["--numeric-owner", "-tvf", archive]);
  let bytes = 0;
  for (const line of listing.split("\n")) {
    const [, , size, , , name] = line.split(/\s+/);
    if (name !== undefined && layers.has(name)) bytes += Number(size);
  }
  return bytes;
}
