import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { ToolError } from "../tool.ts";

const COUNTED_FOR_MS = 10_000;
export const MAX_ENTRIES = 20_000;

/** How much of a volume is used. An emptyDir refuses nothing when it is full: the kubelet ends the pod. So it is counted here. */
export class Usage {
  readonly #path: string;
  readonly #maxBytes: number;
  #bytes = 0;
  #entries = 0;
  #countedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** Takes room for something new. @throws ToolError when there is none */
  async take(bytes: number): Promise<void> {
    if (performance.now() - this.#countedAt > COUNTED_FOR_MS || this.#isFull(bytes)) await this.#count();
    if (this.#isFull(bytes))
      throw new ToolError(
        `the workspace is full (${this.#bytes} of ${this.#maxBytes} bytes and ${this.#entries} of ${MAX_ENTRIES} files are used): delete what is not needed`,
      );
    this.#bytes += bytes;
    this.#entries++;
  }

  #isFull(more: number): boolean {
    return this.#bytes + more > this.#maxBytes || this.#entries >= MAX_ENTRIES;
  }

  async #count(): Promise<void> {
    this.#countedAt = performance.now();
    const seen = { bytes: 0, entries: 0 };
    await add(this.#path, seen);
    this.#bytes = seen.bytes;
    this.#entries = seen.entries;
  }
}

/** Follows no link. What goes away meanwhile does not count. */
async function add(folder: string, seen: { bytes: number; entries: number }): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (seen.entries > MAX_ENTRIES) return; // full, whatever comes
    const stats = await lstat(join(folder, name)).catch(() => undefined);
    if (!stats) continue;
    seen.entries++;
    seen.bytes += Math.max(stats.isFile() ? stats.size : 0, stats.blocks * 512);
    if (stats.isDirectory()) await add(join(folder, name), seen);
  }
}
