import fc from "fast-check";
import { expect, test } from "vitest";
import { cards } from "./card.ts";
import { findingsIn } from "./detect.ts";
import { digitRuns } from "./digit-groups.ts";
import { emails } from "./email.ts";
import { fold } from "./fold.ts";
import { ibans } from "./iban.ts";
import { ipAddresses } from "./ip-address.ts";
import { nationalIds } from "./national-ids/all.ts";
import { phones } from "./phone.ts";
import { mayHold } from "./quick-look.ts";
import { secrets } from "./secret.ts";

const VALUES = [
  ..."alice@example.com|bob (at) example (dot) org|4111 1111 1111 1111|５５００００００００００００04|5500-0000-0000-0004".split(
    "|",
  ),
  ..."GB29 NWBK 6016 1331 9268 19|MT31MALT01100000000000000000123|+49 30 901820|(212) 555-0187|0171/1234567".split("|"),
  ..."078-05-1120|AB 12 34 56 C|PAN ABCPE1234F|RSS MRA 85T10 A562 S|131052-308T|2 55 08 14 168 025 38|X1234567L".split(
    "|",
  ),
  ..."203.0.113.77|2001:db8::1|2a02:8108::9|AKIAIOSFODNN7EXAMPLE|sk-ant-abcdefghijklmnop".split("|"),
  ..."pk_live_abcdefghijklmnopqrst|password: hunter2!x|https://u:pw-of-x@host/|eyJhbGciOiJub.eyJzdWIi.|xoxb-abcdefghij-kl".split(
    "|",
  ),
];
const WORDS = "the|order|Grüße|12 March|1,284.50|12:30|v1.2.3|a:b|A-20|–|\u200b|№|٣|1\u00a02|½|.|\n|call".split("|");
/** Values as they are, and with a character left out, doubled, or another in its place. */
const value = fc
  .tuple(
    fc.constantFrom(...VALUES),
    fc.nat(60),
    fc.constantFrom("", "-", " ", ".", "/", "(", "x", "Z", "0", ",", "\u00ad", "–"),
  )
  .chain(([it, at, char]) => {
    const i = at % it.length;
    return fc.constantFrom(it, it.slice(0, i) + char + it.slice(i + 1), it.slice(0, i) + char + it.slice(i));
  });
const text = fc
  .array(fc.oneof(value, fc.constantFrom(...WORDS), fc.string({ maxLength: 8, unit: "binary" })), { maxLength: 5 })
  .map((it) => it.join(" "));

test("what the quick look lets pass has nothing that a detector would find", () => {
  fc.assert(
    fc.property(text, (it) => {
      if (mayHold(it)) return;
      const folded = fold(it).text;
      const runs = digitRuns(folded);
      const byText = [secrets, ibans, nationalIds, emails, ipAddresses].flatMap((detect) => detect(folded));
      expect([...byText, ...cards(folded, runs), ...phones(folded, runs)]).toEqual([]);
    }),
    { numRuns: 20_000 },
  );
});

test("usual numbers are passed over", () => {
  const said =
    "Our order 4471 of 12 March 2026 came at 12:30. The invoice says 1,284.50 euros for item A-20, version 1.2, in size 38 – a task-force risk.";
  expect(mayHold(said.replace("–", "-"))).toBe(false);
  expect(mayHold("Größe 38 für 1.284,50 €, „so“ gesagt…")).toBe(false);
});

test("a number with few digits is found where it stands alone", () => {
  expect(findingsIn("Her PAN is ABCPE1234F.")).toEqual([{ kind: "national_id", start: 11, end: 21 }]);
});
