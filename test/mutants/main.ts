// Takes the product's walls down, one at a time and in a copy of the checkout, and looks whether the tests see it.
//   npm run test:mutants [-- --only TEXT]      TEXT: a part of what is weakened, or of a file's name: the weakened one's, or a test's
// The last line is one JSON object; exits with 1 when a mutant survived. docs/security/mutants.md has the list.
import { parseArgs } from "node:util";
import { terminalProgress } from "../../src/telemetry/progress.ts";
import { judge } from "./judge.ts";
import { MUTANTS } from "./suites.ts";
import { copyOfCheckout } from "./tree.ts";

const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
const chosen = MUTANTS.filter(({ weakness, file, killedBy }) =>
  [weakness, file, ...killedBy.map((it) => it.file)].some((it) => it.includes(values.only)),
);
if (chosen.length === 0) throw new Error(`--only: no mutant has "${values.only}" in its name or its files'`);
const started = performance.now();
const tree = await copyOfCheckout();
const stop = (): void => void tree.remove().finally(() => process.exit(130));
process.once("SIGINT", stop).once("SIGTERM", stop);
try {
  const verdicts = await judge(tree, chosen, terminalProgress());
  const killed = verdicts.filter((it) => it.killed).length;
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(JSON.stringify({ mutants: verdicts.length, killed, survived: verdicts.length - killed, seconds }));
  process.exitCode = killed === verdicts.length ? 0 : 1;
} finally {
  await tree.remove();
}
