// docs/security/mutants.md, from the list of mutants.
import type { Killer, Mutant } from "../test/mutants/mutant.ts";
import { MUTANTS, SUITES } from "../test/mutants/suites.ts";

const HEAD = `<!-- Generated from test/mutants/list by \`npm run generate\`; do not edit. -->
# Mutants

A test is worth what it notices. Here are ${MUTANTS.length} builds in which one wall of the product is taken down on purpose, and the tests
that have to fail then.

\`npm run test:mutants\` tries all of them: minutes, and it needs what the suites \`unit\`, \`postgres\` and \`api-server\` need;
\`-- --only TEXT\` those with the text in their name or their files'.

It works in a copy of the checkout: first the tests pass as they are, then each mutant is put in by itself. A mutant is killed when each test
file in its row fails by a test, not by a file that cannot be read. The last line is one JSON object; the exit code is 1 when one survived. CI
holds that each mutant still fits the source, and kills three (\`test/mutants/mutants.test.ts\`).
`;

const cell = (text: string): string => text.replaceAll("|", "\\|");
const shown = ({ file, tests }: Killer): string => `\`${file}\`${tests === undefined ? "" : ` (… ${cell(tests)} …)`}`;
const row = ({ weakness, file, killedBy }: Mutant): string =>
  `| ${cell(weakness)} | \`${file}\` | ${killedBy.map(shown).join(", ")} |`;

export const mutantsPage = (): string =>
  [
    HEAD,
    ...Object.entries(SUITES).map(
      ([suite, mutants]) =>
        `## ${suite}\n\n| Weakened: | In | Seen by |\n|---|---|---|\n${mutants.map(row).join("\n")}\n`,
    ),
  ].join("\n");
