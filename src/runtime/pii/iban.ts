import { mod97 } from "./check-digits.ts";
import type { Detector, Finding } from "./finding.ts";
import { matchesOf } from "./matches.ts";

/** Lengths by country: the IBAN registry of SWIFT, release 99. */
const LENGTHS: Record<string, number> = Object.fromEntries(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 " +
    "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 " +
    "LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 " +
    "SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
  )
    .split(" ")
    .map((it) => [it.slice(0, 2), Number(it.slice(2))]),
);

const START = /(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?\d{2}(?=[ \-.]?[A-Za-z0-9])/g;
const SEPARATOR = /[ \-.]/;

/** The account's characters from an offset on, single separators left out, and where they end. */
function read(text: string, start: number, length: number): { iban: string; end: number } | undefined {
  let iban = "";
  let i = start;
  while (i < text.length && iban.length < length) {
    const char = text[i] as string;
    if (/[A-Za-z0-9]/.test(char)) iban += char;
    else if (!SEPARATOR.test(char) || SEPARATOR.test(text[i - 1] ?? "")) return undefined;
    i++;
  }
  const cutOff = /[A-Za-z0-9]/.test(text[i] ?? "");
  return iban.length === length && !cutOff ? { iban: iban.toUpperCase(), end: i } : undefined;
}

/** ISO 13616: letters count from ten, and the first four characters go to the end. */
const isValid = (iban: string): boolean =>
  mod97(`${iban.slice(4)}${iban.slice(0, 4)}`.replace(/[A-Z]/g, (it) => String(it.charCodeAt(0) - 55))) === 1;

/** International bank account numbers: a known country, its length, and the check digits. */
export const ibans: Detector = (text) => {
  const found: Finding[] = [];
  for (const { 0: head, index } of matchesOf(text, START)) {
    const length = LENGTHS[head.slice(0, 2).toUpperCase()];
    const candidate = length === undefined ? undefined : read(text, index, length);
    if (candidate && isValid(candidate.iban)) found.push({ kind: "iban", start: index, end: candidate.end });
  }
  return found;
};
