const SECRET_KEY =
  /^(.*[-_.])?(password|passwd|pwd|secret|token|authorization|api[-_]?key|x-api-key|cookie|credential|private[-_]?key|verifier)$/i;

/** What a secret looks like in a text, whatever the field it stands in. */
const SECRET_TEXT: [RegExp, string][] = [
  [/\bsk-ant-[A-Za-z0-9_-]{8,}/g, "[redacted key]"],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, "$1 [redacted]"],
  [/\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*/g, "[redacted token]"],
  [/\b(postgres(?:ql)?:\/\/[^:/@\s]*):[^@\s]+@/gi, "$1:[redacted]@"],
  [/SCRAM-SHA-256\$[^\s'"]+/g, "[redacted verifier]"],
  [/\b(password|passwd|pwd|api[-_]?key|secret)(\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;}"']+)/gi, "$1$2[redacted]"],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g, "[redacted private key]"],
];

/** The text without what looks like a secret. */
export const scrubText = (text: string): string =>
  SECRET_TEXT.reduce((it, [pattern, to]) => it.replace(pattern, to), text);

/**
 * The value without secrets, at any depth: fields that are named like one, and texts that look like one.
 * Objects are copied, never changed; what lies deeper than `levels`, cycles too, becomes a mark.
 */
export function scrub(value: unknown, key = "", levels = 8): unknown {
  if (value !== undefined && value !== null && SECRET_KEY.test(key)) return "[redacted]";
  if (typeof value === "string") return scrubText(value);
  if (typeof value !== "object" || value === null) return value;
  if (levels < 0) return "[deep]";
  if (value instanceof Date) return value;
  if (value instanceof Error) return { type: value.name, message: scrubText(value.message) };
  if (Array.isArray(value)) return value.map((item) => scrub(item, "", levels - 1));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, scrub(item, name, levels - 1)]));
}
