// Numbers that fit their check digits, by the published rules; nothing here is shared with the detectors.
import type { Random } from "../../support/random.ts";

export const digits = (random: Random, count: number): string =>
  Array.from({ length: count }, (_, i) => random.whole(i === 0 ? 1 : 0, 9)).join("");
const letters = (random: Random, count: number): string =>
  Array.from({ length: count }, () => random.pick("ABCDEFGHJKLMNPRSTUVWXYZ".split(""))).join("");
const two = (value: number): string => String(value).padStart(2, "0");

/** The last digit that makes the number fit ISO/IEC 7812-1. */
const luhnDigit = (body: string): string => {
  const sum = body
    .split("")
    .toReversed()
    .reduce((total, digit, i) => {
      const doubled = Number(digit) * (i % 2 === 0 ? 2 : 1);
      return total + Math.trunc(doubled / 10) + (doubled % 10);
    }, 0);
  return String((10 - (sum % 10)) % 10);
};
const sumBy = (body: string, weights: number[]): number =>
  weights.reduce((sum, it, i) => sum + it * Number(body[i]), 0);

const CARDS = [
  ["4", 16],
  ["51", 16],
  ["55", 16],
  ["2223", 16],
  ["34", 15],
  ["37", 15],
  ["6011", 16],
  ["3530", 16],
  ["36", 14],
  ["62", 16],
] as const;
export function card(random: Random): string {
  const [prefix, length] = random.pick(CARDS);
  const body = prefix + digits(random, length - prefix.length - 1);
  return body + luhnDigit(body);
}

/** Lengths by country, and how the account begins where it has letters. */
const ACCOUNTS: [country: string, length: number, bank: number][] = [
  ["DE", 22, 0],
  ["AT", 20, 0],
  ["BE", 16, 0],
  ["CH", 21, 0],
  ["ES", 24, 0],
  ["PL", 28, 0],
  ["PT", 25, 0],
  ["SE", 24, 0],
  ["NO", 15, 0],
  ["DK", 18, 0],
  ["FI", 18, 0],
  ["CZ", 24, 0],
  ["HU", 28, 0],
  ["GB", 22, 4],
  ["NL", 18, 4],
  ["IE", 22, 4],
  ["RO", 24, 4],
];
export function iban(random: Random): string {
  const [country, length, bank] = random.pick(ACCOUNTS);
  const account = letters(random, bank) + digits(random, length - 4 - bank);
  const number = `${account}${country}00`
    .split("")
    .map((it) => (/\d/.test(it) ? it : String(it.charCodeAt(0) - 55)))
    .join("");
  return country + two(98 - Number(BigInt(number) % 97n)) + account;
}

/** The day of birth, as parts of two digits. */
const born = (random: Random) => ({
  year: two(random.whole(40, 99)),
  month: two(random.whole(1, 12)),
  day: two(random.whole(1, 28)),
});

const VERHOEFF_D = [
  "0123456789",
  "1234067895",
  "2340178956",
  "3401289567",
  "4012395678",
  "5987604321",
  "6598710432",
  "7659821043",
  "8765932104",
  "9876543210",
];
const VERHOEFF_P = [
  "0123456789",
  "1576283094",
  "5803796142",
  "8916043527",
  "9453126870",
  "4286573901",
  "2793806415",
  "7046913258",
];
function verhoeffDigit(body: string): string {
  const inverse = "0432156789";
  const c = body
    .split("")
    .toReversed()
    .reduce((at, digit, i) => Number(VERHOEFF_D[at]?.[Number(VERHOEFF_P[(i + 1) % 8]?.[Number(digit)])]), 0);
  return inverse[c] as string;
}

/** How a state writes its numbers, and how people call them. */
export interface NationalNumber {
  called: string[];
  make(random: Random): string;
}

const retry = (random: Random, make: () => string | undefined): string => {
  for (;;) {
    const made = make();
    if (made !== undefined) return made;
    random.next();
  }
};

export const NATIONAL_NUMBERS: NationalNumber[] = [
  {
    called: ["SSN", "social security number"],
    make: (random) =>
      `${random.pick(["212", "457", "538", "601"])}-${random.whole(10, 99)}-${random.whole(1000, 9999)}`,
  },
  {
    called: ["NINO", "National Insurance number"],
    make: (random) =>
      `${random.pick(["AB", "JK", "PR", "SW"])}${random.pick(["", " "])}${digits(random, 6)}${random.pick(["A", "B", "C", "D"])}`,
  },
  {
    called: ["DNI", "NIF"],
    make(random) {
      const body = digits(random, 8);
      return body + "TRWAGMYFPDXBNJZSQVHLCKE"[Number(body) % 23];
    },
  },
  {
    called: ["BSN", "burgerservicenummer"],
    make: (random) =>
      retry(random, () => {
        const body = digits(random, 8);
        const last = sumBy(body, [9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        return last < 10 ? body + last : undefined;
      }),
  },
  {
    called: ["PESEL"],
    make(random) {
      const { year, month, day } = born(random);
      const body = year + month + day + digits(random, 4);
      return body + ((10 - (sumBy(body, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10);
    },
  },
  {
    called: ["personnummer"],
    make(random) {
      const { year, month, day } = born(random);
      const body = year + month + day + digits(random, 3);
      return `${body.slice(0, 6)}-${body.slice(6)}${luhnDigit(body)}`;
    },
  },
  {
    called: ["henkilötunnus", "HETU"],
    make(random) {
      const { year, month, day } = born(random);
      const serial = String(random.whole(2, 899)).padStart(3, "0");
      return `${day}${month}${year}-${serial}${"0123456789ABCDEFHJKLMNPRSTUVWXY"[Number(day + month + year + serial) % 31]}`;
    },
  },
  {
    called: ["CPF"],
    make(random) {
      const check = (body: string) => {
        const rest =
          sumBy(
            body,
            Array.from({ length: body.length }, (_, i) => body.length + 1 - i),
          ) % 11;
        return rest < 2 ? "0" : String(11 - rest);
      };
      const body = digits(random, 9);
      const first = body + check(body);
      const all = first + check(first);
      return `${all.slice(0, 3)}.${all.slice(3, 6)}.${all.slice(6, 9)}-${all.slice(9)}`;
    },
  },
  {
    called: ["AHV-Nummer", "numéro AVS"],
    make(random) {
      const body = `756${digits(random, 9)}`;
      const sum = sumBy(body, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
      const all = body + ((10 - (sum % 10)) % 10);
      return `${all.slice(0, 3)}.${all.slice(3, 7)}.${all.slice(7, 11)}.${all.slice(11)}`;
    },
  },
  {
    called: ["numéro de sécurité sociale", "NIR"],
    make(random) {
      const { year, month } = born(random);
      const body = `${random.pick(["1", "2"])}${year}${month}${random.pick(["75", "13", "69", "33"])}${digits(random, 6)}`;
      const key = two(97 - (Number(body) % 97));
      return random.pick([
        `${body}${key}`,
        `${body[0]} ${year} ${month} ${body.slice(5, 7)} ${body.slice(7, 10)} ${body.slice(10)} ${key}`,
      ]);
    },
  },
  {
    called: ["NIF", "contribuinte"],
    make(random) {
      const body = `2${digits(random, 7)}`;
      const rest = sumBy(body, [9, 8, 7, 6, 5, 4, 3, 2]) % 11;
      return body + (rest < 2 ? 0 : 11 - rest);
    },
  },
  {
    called: ["SIN", "social insurance number"],
    make(random) {
      const body = random.pick(["1", "4", "5", "7"]) + digits(random, 7);
      const all = body + luhnDigit(body);
      return `${all.slice(0, 3)} ${all.slice(3, 6)} ${all.slice(6)}`;
    },
  },
  {
    called: ["Aadhaar"],
    make(random) {
      const body = random.whole(2, 9) + digits(random, 10);
      const all = body + verhoeffDigit(body);
      return `${all.slice(0, 4)} ${all.slice(4, 8)} ${all.slice(8)}`;
    },
  },
  {
    called: ["rijksregisternummer", "numéro national"],
    make(random) {
      const { year, month, day } = born(random);
      const body = year + month + day + String(random.whole(1, 997)).padStart(3, "0");
      const all = body + two(97 - (Number(body) % 97));
      return `${all.slice(0, 2)}.${all.slice(2, 4)}.${all.slice(4, 6)}-${all.slice(6, 9)}.${all.slice(9)}`;
    },
  },
];
