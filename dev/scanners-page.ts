// docs/security/scanners.md, from the list of accepted findings.
import { ACCEPTED } from "../test/scanners/accepted.ts";

const HEAD = `<!-- Generated from test/scanners/accepted.ts by \`npm run generate\`; do not edit. -->
# What scanners say

Three scanners that know nothing of ours look at all that AgentPG puts into a cluster: the chart with its defaults and with all that it can
make, and the objects of a Tenant and an Agent as the operator applies them. kubeconform also holds the definitions of Tenant and Agent
against Kubernetes' schemas, and the examples against those definitions, unknown fields refused.

| Scanner | Version | Looks for |
|---|---|---|
| [checkov](https://www.checkov.io/) | 3.3.30 | insecure settings |
| [kube-score](https://kube-score.com/) | 1.20.0 | insecure and fragile settings |
| [kubeconform](https://github.com/yannh/kubeconform) | 0.8.0 | what is not valid, by the schemas of Kubernetes 1.36 |

\`npm run test:scanners\` asks all of them, in half a minute; so do the tests where there is Python (\`test/chart/scanners.test.ts\`). It needs Python with
venv, and Go, and installs the scanners into its cache the first time (minutes).

It fails when a scanner finds what is not explained here, and when something that is explained here is not found any more.
`;

const cell = (text: string): string => text.replaceAll("|", "\\|");

export const scannersPage = (): string =>
  `${HEAD}\n## Found, and left\n\n| Scanner | Rule | Objects | Why it stays |\n|---|---|---|---|\n${ACCEPTED.map(
    ({ scanner, code, objects, why }) =>
      `| ${scanner} | ${cell(code)} | ${objects.map((it) => `\`${it}\``).join(", ")} | ${cell(why)} |`,
  ).join("\n")}\n`;
