import { z } from "zod";

/** Of AES-256. */
export const KEY_BYTES = 32;

/** The data keys of one tenant, by generation, base64. All may be read with, one is written with. */
export interface DataKeys {
  keys: Record<number, string>;
  /** The generation to write with; undefined: none yet. */
  current: number | undefined;
}

/** The file that names the generation to write with. */
const CURRENT_FILE = "current";
const KEY_FILE = /^key-([1-9]\d{0,8})$/;

/** Whether a file of this name is part of a set of data keys. */
export const isDataKeyFile = (name: string): boolean => name === CURRENT_FILE || KEY_FILE.test(name);

/** The files, or keys of a Secret, that the data keys are handed over as: `key-<generation>` and `current`. */
export const dataKeyFiles = ({ keys, current }: DataKeys): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(keys).map(([generation, key]) => [`key-${generation}`, key])),
  ...(current === undefined ? {} : { [CURRENT_FILE]: String(current) }),
});

const generation = z.string().regex(/^[1-9]\d{0,8}$/, "must be the number of a key file, such as 1 for key-1");

/** 32 bytes from base64. @throws Error that names `what` and never holds a part of the key */
export function decodeKey(text: string, what: string): Buffer {
  const trimmed = text.trim();
  if (trimmed === "") throw new Error(`${what} is empty: it must hold ${KEY_BYTES} random bytes as base64`);
  const bytes = Buffer.from(trimmed, "base64");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(trimmed) || bytes.length !== KEY_BYTES || bytes.toString("base64") !== trimmed)
    throw new Error(
      `${what} must hold ${KEY_BYTES} random bytes as base64 (${Math.ceil(KEY_BYTES / 3) * 4} characters)`,
    );
  return bytes;
}

/** The data keys from files of {@link dataKeyFiles}. @throws Error that names the file that is wrong */
export function parseDataKeys(files: Record<string, string>): DataKeys {
  const keys: Record<number, string> = {};
  for (const [name, text] of Object.entries(files)) {
    const number = KEY_FILE.exec(name)?.[1];
    if (number !== undefined) keys[Number(number)] = decodeKey(text, `transcript key file ${name}`).toString("base64");
  }
  const current = files[CURRENT_FILE];
  if (current === undefined) return { keys, current: undefined };
  const parsed = generation.safeParse(current.trim());
  if (!parsed.success) throw new Error(`transcript key file ${CURRENT_FILE}: ${parsed.error.issues[0]?.message}`);
  if (!(Number(parsed.data) in keys))
    throw new Error(`transcript key file ${CURRENT_FILE} names key-${parsed.data}, which is not there: add it`);
  return { keys, current: Number(parsed.data) };
}
