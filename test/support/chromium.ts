import { type Browser, chromium } from "playwright-core";
import { exists } from "../../src/local-cluster/cache.ts";
import { ensurePackages } from "../../src/local-cluster/debian.ts";
import { terminalProgress } from "../../src/telemetry/progress.ts";

const PROGRAM = "/usr/bin/chromium";

/** Debian's Chromium. It needs a hundred libraries, so it is installed and not unpacked: by root, and once. */
export async function ensureChromium(): Promise<void> {
  if (await exists(PROGRAM)) return;
  if (process.getuid?.() !== 0)
    throw new Error(
      `the console is tested with ${PROGRAM}, which is not here: apt-get install chromium, or run the tests as root`,
    );
  await ensurePackages(["chromium"], terminalProgress());
}

/** A browser with a profile of its own that asks nobody but the page's server for anything. */
export async function startChromium(): Promise<Browser> {
  await ensureChromium();
  return chromium.launch({
    executablePath: PROGRAM,
    args: [
      "--no-sandbox", // root has none
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
