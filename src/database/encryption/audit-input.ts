import type { TranscriptCipher } from "./cipher.ts";
import { auditPlace } from "./place.ts";

/**
 * An audit record with what a tool was given encrypted in it; the rest stays readable. The audit chain is over the text that
 * comes out of here, so it is verified without a key.
 */
export function writeAuditRecord(cipher: TranscriptCipher, record: string): string {
  if (!cipher.encrypts) return record;
  const { input, ...rest } = JSON.parse(record) as Record<string, unknown>;
  if (input === undefined) return record;
  return JSON.stringify({ ...rest, input: cipher.writeJson(input, auditPlace(rest)) });
}
