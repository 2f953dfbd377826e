/** A sealed value as it is stored: the key's generation, and nonce, ciphertext and tag in base64. */
export interface Envelope {
  generation: number;
  data: string;
}

/** What is stored is one of these; there is no guessing, because plain values that look like an envelope are escaped. */
export type Stored<T> = { plain: T } | { sealed: Envelope };

// In text: a prefix.
const OURS = "agentpg:";
const SEALED = `${OURS}enc:v1:`;
const ESCAPED = `${OURS}plain:`;
const SEALED_FORM = /^(\d{1,9}):([A-Za-z0-9+/]+={0,2})$/;

/** A plain text in the form in which it is stored: as it is, unless it could be taken for one of ours. */
export const plainText = (text: string): string => (text.startsWith(OURS) ? ESCAPED + text : text);

export const sealedText = ({ generation, data }: Envelope): string => `${SEALED}${generation}:${data}`;

/** @throws Error when it is in a form of ours that this version does not know */
export function parseText(stored: string): Stored<string> {
  if (!stored.startsWith(OURS)) return { plain: stored };
  if (stored.startsWith(ESCAPED)) return { plain: stored.slice(ESCAPED.length) };
  const found = stored.startsWith(SEALED) ? SEALED_FORM.exec(stored.slice(SEALED.length)) : null;
  if (!found) throw new Error("it is in no form that this version knows");
  return { sealed: { generation: Number(found[1]), data: found[2] as string } };
}

// In jsonb: an object with this field.
const MARK = "agentpg.dev/enc";
type Marked = { [MARK]: unknown; key?: unknown; data?: unknown };

const isMarked = (value: unknown): value is Marked => typeof value === "object" && value !== null && MARK in value;

export const plainJson = (value: unknown): unknown => (isMarked(value) ? { [MARK]: "plain", data: value } : value);

export const sealedJson = ({ generation, data }: Envelope): object => ({ [MARK]: "v1", key: generation, data });

/** @throws Error when it is in a form of ours that this version does not know */
export function parseJson(stored: unknown): Stored<unknown> {
  if (!isMarked(stored)) return { plain: stored };
  const { [MARK]: form, key, data } = stored;
  if (form === "plain") return { plain: data };
  if (form !== "v1" || !Number.isInteger(key) || typeof data !== "string")
    throw new Error("it is in no form that this version knows");
  return { sealed: { generation: key as number, data } };
}
