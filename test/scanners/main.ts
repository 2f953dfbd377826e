// Three scanners of others on all that we put into a cluster: checkov, kube-score and kubeconform.
//   npm run test:scanners
// Exits with 1 when one finds what test/scanners/accepted.ts does not explain, or when that explains what is not found any more. The last
// line is one JSON object. Needs Python with venv, Go, and both package indexes the first time.
import { terminalProgress } from "../../src/telemetry/progress.ts";
import { ACCEPTED } from "./accepted.ts";
import { judged } from "./finding.ts";
import { scanAll } from "./scan.ts";

const { passed, findings } = await scanAll(terminalProgress());
const { unexplained, stale } = judged(findings, ACCEPTED);
for (const { scanner, code, object, says } of unexplained)
  console.error(
    `not explained: ${scanner} ${code}: ${object}: ${says}: mend it, or explain it in test/scanners/accepted.ts`,
  );
for (const { scanner, code, objects } of stale)
  console.error(`not found any more: ${scanner} ${code}: ${objects}: take it out of test/scanners/accepted.ts`);
console.log(
  JSON.stringify({
    passed,
    explained: findings.length - unexplained.length,
    unexplained: unexplained.length,
    stale: stale.length,
  }),
);
process.exitCode = unexplained.length + stale.length > 0 ? 1 : 0;
