import { readFile, writeFile } from "node:fs/promises";

/** Settings of the whole machine that kubelet or Cilium change; a cluster that goes down puts them back. */
const changed = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
  "kernel/timer_migration",
  "net/core/bpf_jit_enable",
];

const path = (setting: string) => `/proc/sys/${setting}`;

export async function readSettings(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const setting of changed) {
    const value = await readFile(path(setting), "utf8").catch(() => undefined);
    if (value !== undefined) found[setting] = value.trim();
  }
  return found;
}

/** A setting that can't be put back (not root's to change) stays. */
export async function restoreSettings(before: Record<string, string>): Promise<void> {
  const now = await readSettings();
  for (const [setting, value] of Object.entries(before)) {
    if (now[setting] !== value) await writeFile(path(setting), value).catch(() => {});
  }
}
