// Three scanners of others on the chart and on what the operator makes: docs/security/scanners.md has what they find.
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { ACCEPTED } from "../scanners/accepted.ts";
import { judged } from "../scanners/finding.ts";
import { scanAll } from "../scanners/scan.ts";

/** checkov is a Python program. */
const hasPython = spawnSync("python3", ["-c", "import venv, ensurepip"]).status === 0;

test.runIf(hasPython)(
  "scanners find nothing that is not explained, and all that is explained",
  async () => {
    const { passed, findings } = await scanAll(silentProgress);
    for (const count of Object.values(passed)) expect(count).toBeGreaterThan(50);
    expect(judged(findings, ACCEPTED)).toEqual({ unexplained: [], stale: [] });
  },
  900_000,
); // they are fetched the first time
