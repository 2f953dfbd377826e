import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Progress } from "../telemetry/progress.ts";

/**
 * Runs `work` while no other process of this machine holds the lock of that file; waits for its turn, and says so.
 * flock(1) holds it, so the kernel gives it back however this process ends. Where there is no flock (macOS) nothing is locked.
 */
export async function withLock<T>(file: string, progress: Progress, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn("flock", ["--exclusive", file, "sh", "-c", "echo locked; cat"], {
    cwd: "/",
    stdio: ["pipe", "pipe", "ignore"],
  });
  holder.stdin.on("error", () => {});
  const waiting = setTimeout(() => progress.note(`waiting for another process that works on ${file}`), 2_000);
  try {
    await new Promise((resolve) => {
      holder.stdout.once("data", resolve);
      holder.once("error", resolve);
      holder.once("close", resolve);
    });
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
  }
}
