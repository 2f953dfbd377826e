/** US dollars. Small sums keep the digits that matter. */
export function usd(text: string | number): string {
  const value = Number(text);
  if (value === 0) return "$0";
  const digits = Math.abs(value) >= 1 ? 2 : 4;
  if (Math.abs(value) < 0.0001) return "< $0.0001";
  return value.toLocaleString("en-US", {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: 2,
    maximumFractionDigits: digits,
  });
}

export const count = (value: number): string => value.toLocaleString("en-US");

/** 12,300 as 12.3K. */
export const brief = (value: number): string =>
  value.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 });

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const moment = (iso: string): string => {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "at an unknown time" : MOMENT.format(at);
};

const STEPS: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** "3 minutes ago", "in 2 hours". */
export function ago(iso: string, now = Date.now()): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  if (Number.isNaN(seconds)) return "at an unknown time";
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return RELATIVE.format(Math.trunc(seconds / size), unit);
}

/** `awaiting_approval` for people. */
export const words = (name: string): string => name.replaceAll("_", " ");

/** `DatabaseReady` for people: Database ready. */
export const spaced = (name: string): string =>
  name
    .replace(/^(Pii|Tls)(?=[A-Z])/, (it) => it.toUpperCase())
    .replaceAll(
      /([a-z0-9])([A-Z])|(?<=[A-Z])([A-Z])(?=[a-z])/g,
      (_all, before = "", next = "", other = "") => `${before} ${next}${other}`,
    )
    .replaceAll(/ ([A-Z])(?=[a-z])/g, (_all, letter: string) => ` ${letter.toLowerCase()}`);

export const shortId = (id: string): string => id.slice(-12);
