import type { PiiKind } from "../../../src/runtime/pii/finding.ts";
import type { Random } from "../../support/random.ts";
import { card, digits, iban, NATIONAL_NUMBERS } from "./numbers.ts";

const NAMES =
  "amina bjorn chloe dmitri elif fatima giulia haruto ines jakub katarzyna liam mateus nour olga pedro quynh rania søren tomás uma väinö wanjiru ximena yusuf zoë".split(
    " ",
  );
const DOMAINS =
  "gmail.com gmx.at orange.fr libero.it wp.pl ziggo.nl bt.com uol.com.br docomo.ne.jp rediffmail.com mail.ru uni-wien.ac.at studio.berlin clinic.health münchen.de example.香港 ops.internal-tools.io".split(
    " ",
  );
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".split("");
const token = (random: Random, length: number, from = ALPHABET): string =>
  Array.from({ length }, () => random.pick(from)).join("");

const grouped = (text: string, size: number, by: string): string =>
  (text.match(new RegExp(`.{1,${size}}`, "g")) ?? []).join(by);

function email(random: Random): string {
  const [first, last, domain] = [random.pick(NAMES), random.pick(NAMES), random.pick(DOMAINS)];
  const local = random.pick([
    `${first}.${last}`,
    `${first}_${random.whole(1, 99)}`,
    `${first[0]}${last}`,
    `${first}+billing`,
    `${first.toUpperCase()}.${last.toUpperCase()}`,
    `${first}-${last}`,
  ]);
  return random.pick([
    `${local}@${domain}`,
    `${local}@${domain}`,
    `${local}@${domain}`,
    `${local}@${domain}`,
    `${local} (at) ${domain}`,
    `${local}[at]${domain}`,
  ]);
}

const PHONES: ((random: Random) => string)[] = [
  (r) => `+44 20 ${digits(r, 4)} ${digits(r, 4)}`,
  (r) => `0044 7${digits(r, 3)} ${digits(r, 6)}`,
  (r) => `+49 (0)89 ${digits(r, 6)}`,
  (r) => `0176/${digits(r, 8)}`,
  (r) => `+33 6 ${grouped(digits(r, 8), 2, " ")}`,
  (r) => `06.${grouped(digits(r, 8), 2, ".")}`,
  (r) => `(${r.pick(["415", "212", "303"])}) ${r.whole(200, 999)}-${digits(r, 4)}`,
  (r) => `+1-${r.pick(["416", "604"])}-${r.whole(200, 999)}-${digits(r, 4)}`,
  (r) => `+34 6${digits(r, 2)} ${digits(r, 3)} ${digits(r, 3)}`,
  (r) => `+39 3${digits(r, 2)} ${digits(r, 7)}`,
  (r) => `+48 ${grouped(digits(r, 9), 3, " ")}`,
  (r) => `+81-90-${digits(r, 4)}-${digits(r, 4)}`,
  (r) => `+55 (11) 9${digits(r, 4)}-${digits(r, 4)}`,
  (r) => `+91 ${r.whole(70000, 99999)} ${digits(r, 5)}`,
  (r) => `+46 70-${digits(r, 3)} ${digits(r, 2)} ${digits(r, 2)}`,
  (r) => `+61 4${digits(r, 2)} ${digits(r, 3)} ${digits(r, 3)}`,
  (r) => `+31${r.whole(100000000, 699999999)}`,
];

function ip(random: Random): string {
  const octet = () => random.whole(1, 254);
  const v4 = `${random.pick([5, 23, 77, 93, 141, 185, 203])}.${octet()}.${octet()}.${octet()}`;
  const part = () => random.whole(1, 65535).toString(16);
  return random.pick([
    v4,
    v4,
    v4,
    `2a0${random.whole(0, 9)}:${part()}:${part()}::${part()}`,
    `2600:${part()}:${part()}:${part()}:${part()}:${part()}:${part()}:${part()}`,
  ]);
}

const b64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
/** The secret itself; where it needs words around it to be one, they are in the template. */
const SECRETS: ((random: Random) => string)[] = [
  (r) => `sk-ant-api03-${token(r, 48)}`,
  (r) => `sk-proj-${token(r, 40)}`,
  (r) => `AKIA${token(r, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".split(""))}`,
  (r) => `ghp_${token(r, 36)}`,
  (r) => `glpat-${token(r, 20)}`,
  (r) => `xoxb-${digits(r, 12)}-${digits(r, 12)}-${token(r, 24)}`,
  (r) => `AIza${token(r, 35)}`,
  (r) => `sk_live_${token(r, 24)}`,
  (r) => `npm_${token(r, 36)}`,
  (r) => `SG.${token(r, 22)}.${token(r, 43)}`,
  (r) =>
    `${b64url({ alg: "RS256", typ: "JWT" })}.${b64url({ sub: r.pick(NAMES), exp: r.whole(1e9, 2e9) })}.${token(r, 86)}`,
];
const password = (random: Random): string =>
  random.pick([
    `${token(random, 6)}!${token(random, 5)}`,
    token(random, 16),
    `${random.pick(NAMES)}#${random.whole(1000, 9999)}xK`,
  ]);

/** A value of a kind, as people write it, and what it is called beside it. */
export interface Value {
  kind: PiiKind;
  value: string;
  called: string;
}

export function valueOf(kind: PiiKind, random: Random): Value {
  switch (kind) {
    case "email":
      return { kind, value: email(random), called: random.pick(["e-mail", "Mail", "correo", "courriel", "メール"]) };
    case "phone":
      return {
        kind,
        value: random.pick(PHONES)(random),
        called: random.pick(["phone", "Telefon", "téléphone", "móvil", "cellulare", "tel", "telefone", "電話"]),
      };
    case "card": {
      const number = card(random);
      const form =
        number.length === 16
          ? grouped(number, 4, random.pick([" ", "-", "\u00a0", ""]))
          : random.pick([
              number,
              number.length === 15 ? `${number.slice(0, 4)} ${number.slice(4, 10)} ${number.slice(10)}` : number,
            ]);
      return {
        kind,
        value: form,
        called: random.pick(["card", "Kreditkarte", "carte bancaire", "tarjeta", "carta di credito", "cartão"]),
      };
    }
    case "iban": {
      const number = iban(random);
      return {
        kind,
        value: random.pick([
          number,
          grouped(number, 4, " "),
          grouped(number, 4, " "),
          number.toLowerCase(),
          grouped(number, 4, "-"),
        ]),
        called: random.pick(["IBAN", "Konto", "compte", "cuenta", "rekening", "konto"]),
      };
    }
    case "national_id": {
      const { called, make } = random.pick(NATIONAL_NUMBERS);
      return { kind, value: make(random), called: random.pick(called) };
    }
    case "ip_address":
      return { kind, value: ip(random), called: random.pick(["IP", "client", "remote address", "adresse IP"]) };
    case "secret":
      return random.next() < 0.65
        ? {
            kind,
            value: random.pick(SECRETS)(random),
            called: random.pick(["key", "token", "credential", "Schlüssel"]),
          }
        : {
            kind,
            value: password(random),
            called: random.pick([
              "password",
              "passwd",
              "client_secret",
              "DB_PASSWORD",
              "Passwort",
              "mot de passe",
              "contraseña",
            ]),
          };
  }
}
