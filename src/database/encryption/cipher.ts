import { storableJson } from "../runs/storable.ts";
import type { DataKeys } from "./data-keys.ts";
import { TranscriptKeyMissing, TranscriptUnreadable } from "./errors.ts";
import type { Place } from "./place.ts";
import { open, seal } from "./seal.ts";
import {
  type Envelope,
  parseJson,
  parseText,
  plainJson,
  plainText,
  sealedJson,
  sealedText,
  type Stored,
} from "./stored-form.ts";

/**
 * Between what the program means and what the database stores: encrypts what is written, when that is asked for, and reads
 * plain and encrypted rows alike. Each value is bound to the tenant's schema and to its {@link Place}.
 */
export class TranscriptCipher {
  readonly #schema: string;
  readonly #keys: () => DataKeys | undefined;
  /** Whether what is written is encrypted. */
  readonly encrypts: boolean;

  /** @param keys asked anew each time: they change while the process runs */
  constructor(schema: string, keys: () => DataKeys | undefined = () => undefined, encrypts = false) {
    this.#schema = schema;
    this.#keys = keys;
    this.encrypts = encrypts;
  }

  /** Generations that can be read with, in order. */
  get readable(): number[] {
    return Object.keys(this.#keys()?.keys ?? {})
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Whether what is to be written can be: it need not be encrypted, or there is a key for it. */
  get canWrite(): boolean {
    return !this.encrypts || this.#keys()?.current !== undefined;
  }

  /** @throws TranscriptKeyMissing */
  writeText(text: string, place: Place): string {
    return this.encrypts ? sealedText(this.#seal(text, place)) : plainText(text);
  }

  /** A value for a jsonb column. @throws TranscriptKeyMissing */
  writeJson(value: unknown, place: Place): unknown {
    return this.encrypts ? sealedJson(this.#seal(storableJson(value), place)) : plainJson(value);
  }

  /** @throws TranscriptUnreadable */
  readText(stored: string, place: Place): string {
    const found = this.#parsed(() => parseText(stored), place);
    return "plain" in found ? found.plain : this.#open(found.sealed, place);
  }

  /** @throws TranscriptUnreadable */
  readJson(stored: unknown, place: Place): unknown {
    const found = this.#parsed(() => parseJson(stored), place);
    return "plain" in found ? found.plain : JSON.parse(this.#open(found.sealed, place));
  }

  #bound(generation: number, place: Place): string {
    return JSON.stringify(["agentpg transcript v1", this.#schema, generation, ...place]);
  }

  #seal(text: string, place: Place): Envelope {
    const { current, keys = {} } = this.#keys() ?? {};
    const key = current === undefined ? undefined : keys[current];
    if (current === undefined || key === undefined)
      throw new TranscriptKeyMissing(
        "transcripts are to be encrypted and there is no data key to do it with: nothing was written",
      );
    const sealed = seal(Buffer.from(key, "base64"), Buffer.from(text), this.#bound(current, place));
    return { generation: current, data: sealed.toString("base64") };
  }

  #open({ generation, data }: Envelope, place: Place): string {
    const key = this.#keys()?.keys[generation];
    if (key === undefined)
      throw new TranscriptUnreadable(
        `${describe(place)} is encrypted with data key generation ${generation}, which is not here: see "Encryption" in docs/operations.md`,
      );
    try {
      return open(Buffer.from(key, "base64"), Buffer.from(data, "base64"), this.#bound(generation, place)).toString();
    } catch (cause) {
      throw new TranscriptUnreadable(
        `${describe(place)} is not what was written there with data key generation ${generation}: it was changed, or moved from another row`,
        { cause },
      );
    }
  }

  #parsed<T>(parse: () => Stored<T>, place: Place): Stored<T> {
    try {
      return parse();
    } catch (cause) {
      throw new TranscriptUnreadable(`${describe(place)} cannot be read: ${(cause as Error).message}`, { cause });
    }
  }
}

const describe = ([column, ...row]: Place): string => `${column} of ${row.join("/")}`;
