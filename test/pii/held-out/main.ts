// How well the detectors for personal data do on texts that nobody tuned them on; a table, and with --show each that they got wrong.
//   npm run test:pii [-- --seed 20261128] [--show]
import { parseArgs } from "node:util";
import { PII_KINDS } from "../../../src/runtime/pii/finding.ts";
import { precision, recall, scoresOn, type Score, sumOf } from "../score.ts";
import { HELD_OUT_SEED, heldOutTexts } from "./texts.ts";

const { values } = parseArgs({
  options: { seed: { type: "string", default: String(HELD_OUT_SEED) }, show: { type: "boolean", default: false } },
});
const texts = heldOutTexts(Number(values.seed));
const scores = scoresOn(texts, (what, text) => values.show && console.log(`${what}: ${JSON.stringify(text)}`));
const row = (name: string, it: Score) =>
  `| ${name} | ${it.labelled} | ${recall(it).toFixed(3)} | ${precision(it).toFixed(3)} |`;
console.log("| Kind | Values | Recall | Precision |\n|---|---|---|---|");
for (const kind of PII_KINDS) console.log(row(kind, scores[kind]));
console.log(row("all", sumOf(scores)));
