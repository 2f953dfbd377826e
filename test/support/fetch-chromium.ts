import { ensureChromium } from "./chromium.ts";

/** Before the suite, in one process: apt takes one caller at a time. What keeps it from being had is said by the test that needs it. */
export async function setup(): Promise<void> {
  await ensureChromium().catch(() => undefined);
}
