import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const MODULE = join(import.meta.dirname, "core-dumps.ts");
const PATTERN = "/proc/sys/kernel/core_pattern";
/** A plain name is a file where the process stood; anything else is the machine's own. */
const isFileHere = process.platform === "linux" && /^core[^/|]*$/.test(readFileSync(PATTERN, "utf8").trim());

/** The core dump of a process that holds a secret and is killed by a fault. */
function dumpOf(program: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "agentpg-core-"));
  try {
    const script = `${program}; globalThis.held = Buffer.from(["planted", "secret"].join("-").repeat(3)); process.kill(process.pid, "SIGSEGV"); setTimeout(() => {}, 5000);`;
    const command = 'ulimit -c unlimited && exec "$0" --input-type=module --eval "$1"';
    spawnSync("sh", ["-c", command, process.execPath, script], { cwd: folder, timeout: 20_000 });
    const [name] = readdirSync(folder).filter((it) => it.startsWith("core"));
    return name ? readFileSync(join(folder, name)) : Buffer.alloc(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test.runIf(isFileHere)(
  "a core dump holds no secret; without the protection it does",
  () => {
    const secret = "planted-secretplanted-secret";
    expect(dumpOf("").includes(secret)).toBe(true);
    const dump = dumpOf(`(await import(${JSON.stringify(MODULE)})).keepMemoryOutOfCoreDumps()`);
    expect(dump.subarray(1, 4).toString()).toBe("ELF");
    expect(dump.includes(secret)).toBe(false);
  },
  60_000,
);
