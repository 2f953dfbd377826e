import { randomFillSync } from "node:crypto";

const format = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;

/** Random bytes are fetched for many ids at once: each fetch is a call into the system. */
const pool = Buffer.allocUnsafe(10 * 256);
let used = pool.length;

function tenRandomBytes(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool.subarray(used, (used += 10));
}

/** A UUIDv7 (RFC 9562, §5.7): sorts by time, 74 random bits. */
export function uuidv7(now = Date.now()): string {
  const random = tenRandomBytes();
  random[0] = ((random[0] as number) & 0x0f) | 0x70;
  random[2] = ((random[2] as number) & 0x3f) | 0x80;
  return format(now.toString(16).padStart(12, "0") + random.toString("hex"));
}

/** The least UUIDv7 of that millisecond: a bound for "ids since". */
export const uuidv7Since = (at: number): string => format(`${at.toString(16).padStart(12, "0")}70008000000000000000`);

export const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
