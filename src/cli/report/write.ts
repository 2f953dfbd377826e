import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import type { ReportFile } from "./collect.ts";

/** Writes the files into a gzipped tar beside `path` and puts it in its place when it is whole; its owner alone can read it. */
export async function writeArchive(files: AsyncIterable<ReportFile>, folder: string, path: string): Promise<number> {
  const partial = `${path}.partial`;
  const archive = pack();
  let count = 0;
  const fill = async () => {
    for await (const { name, text } of files) {
      archive.entry({ name: `${folder}/${name}`, mode: 0o600 }, text);
      count++;
    }
    archive.finalize();
  };
  try {
    const written = pipeline(archive, createGzip(), createWriteStream(partial, { mode: 0o600 }));
    await Promise.all([fill().catch((error: Error) => archive.destroy(error)), written]);
    await rename(partial, path);
    return count;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
