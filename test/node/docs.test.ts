// Pages that a newcomer follows from top to bottom, as they are written, on the demo's cluster: real kubectl, real agentpg, real curl.
// The tutorial takes more than a minute: a Tenant comes, a pod starts twice, and all of it goes again.
import { mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ensureTools } from "../../src/local-cluster/index.ts";
import { run } from "../../src/local-cluster/run.ts";
import { silentProgress } from "../../src/telemetry/progress.ts";
import { blocksOf, pages, root } from "../docs/blocks.ts";
import { testedBlocks } from "../docs/entries.ts";
import { commandsOf, pathOf, programFolder, removeFolder, runBlock, workFolder } from "../docs/shell.ts";

const { kubeconfig } = inject("demo");
const folder = mkdtempSync(join(tmpdir(), "agentpg-docs-"));
const work = workFolder(folder);
let bin: string;
let kubectl: string;

const program = (name: string, text: string) =>
  writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });

beforeAll(async () => {
  kubectl = pathOf((await ensureTools(["kubectl"], silentProgress)).kubectl);
  bin = programFolder(folder, "", []);
  program("agentpg", `exec ${process.execPath} ${join(root, "src/cli/main.ts")} "$@"`);
  program("kubectl", `exec ${kubectl} "$@"`);
  // A person types the next line when the forward is up; here it comes at once.
  program("curl", `exec ${pathOf("curl")} --retry 20 --retry-delay 1 --retry-connrefused "$@"`);
  symlinkSync(pathOf("sleep"), join(bin, "sleep"));
});
afterAll(() => removeFolder(folder));

const blocks = testedBlocks(pages(), blocksOf).filter(({ how }) => how === "demo");
const marker = (line: number) => `── line ${line} ──`;

test.each([...new Set(blocks.map(({ page }) => page))])(
  "%s does what it says, from top to bottom",
  async (page) => {
    const own = blocks.filter((it) => it.page === page);
    const script = own.map(({ language, text, line }) => `echo '${marker(line)}'\n${commandsOf(language, text)}`);
    const ran = await runBlock(["set -eo pipefail", ...script].join("\n"), {
      folder,
      bin,
      work,
      env: { KUBECONFIG: kubeconfig },
      seconds: 400,
    });
    const said = `${ran.out}\n${ran.err}`.slice(-6000);
    expect(ran.code, said).toBe(0);
    for (const [i, { line, says }] of own.entries()) {
      const next = own[i + 1];
      const [, behind = ""] = ran.out.split(marker(line));
      const [output = ""] = next ? behind.split(marker(next.line)) : [behind];
      for (const words of says) expect(output, `${page}, line ${line}`).toContain(words);
    }
  },
  420_000,
);

/** What the pages made beside a Tenant of their own, which they delete themselves. */
afterAll(async () => {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  await run(kubectl, ["-n", "acme", "delete", "serviceaccount", "caller", "--ignore-not-found"], { env });
  await run(kubectl, ["delete", "tenant,namespace", "bakery", "--ignore-not-found"], { env });
});
