import { decodeKey } from "../../database/encryption/data-keys.ts";
import { open, seal } from "../../database/encryption/seal.ts";
import { readSecretFiles } from "../../process/secret-files.ts";
import { type KeyProvider, KeyProviderProblem, type Wrapped } from "./key-provider.ts";

/** The file that names the key in use. */
const CURRENT_FILE = "current";
const KEY_ID = /^[A-Za-z0-9][-A-Za-z0-9_.]{0,62}$/;

interface KeySet {
  keys: Map<string, Buffer>;
  current: string;
}

const invalid = (message: string, cause?: unknown) =>
  new KeyProviderProblem("EncryptionKeyInvalid", message, { cause });

/**
 * Key-encryption keys in a mounted Secret: one file for each, named by its id, and `current`, which names the one in use. Read
 * anew each time, all files as they were published together.
 */
export class MountedKeys implements KeyProvider {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async current(): Promise<string> {
    return (await this.#load()).current;
  }

  async wrap(plain: Buffer, context: string): Promise<Wrapped> {
    const { keys, current } = await this.#load();
    return { kek: current, wrapped: seal(keys.get(current) as Buffer, plain, bound(current, context)) };
  }

  async unwrap({ kek, wrapped }: Wrapped, context: string): Promise<Buffer> {
    const key = (await this.#load()).keys.get(kek);
    if (!key)
      throw new KeyProviderProblem(
        "EncryptionKeyMissing",
        `the key-encryption key ${kek} is not among the mounted keys: put it back into the Secret (chart value encryption.keySecret); a data key is wrapped by it`,
      );
    try {
      return open(key, wrapped, bound(kek, context));
    } catch (cause) {
      throw invalid(
        `the key-encryption key ${kek} does not open what was wrapped by a key of this name: put the key back that had this name, and give another key another name`,
        cause,
      );
    }
  }

  /** @throws KeyProviderProblem when one file is not as it should be */
  async #load(): Promise<KeySet> {
    const files = await this.#files();
    const id = files.get(CURRENT_FILE);
    if (!id)
      throw invalid(
        `the key-encryption keys have no file ${CURRENT_FILE}, or it is empty: it must name the key in use, such as "key-1"`,
      );
    const keys = new Map<string, Buffer>();
    for (const [name, text] of files) {
      if (name === CURRENT_FILE) continue;
      if (!KEY_ID.test(name))
        throw invalid(`the name of the key-encryption key file ${JSON.stringify(name)} is not a key id`);
      keys.set(name, decoded(name, text));
    }
    if (!keys.has(id))
      throw invalid(
        `the file ${CURRENT_FILE} names the key-encryption key ${JSON.stringify(id)}, and there is no such file: add it`,
      );
    return { keys, current: id };
  }

  async #files(): Promise<Map<string, string>> {
    try {
      return new Map(Object.entries(await readSecretFiles(this.#directory)));
    } catch (cause) {
      throw new KeyProviderProblem(
        "EncryptionKeyMissing",
        "the key-encryption keys cannot be read: mount their Secret (chart value encryption.keySecret)",
        { cause },
      );
    }
  }
}

const bound = (kek: string, context: string): string => JSON.stringify(["agentpg data key v1", kek, context]);

function decoded(name: string, text: string): Buffer {
  try {
    return decodeKey(text, `the key-encryption key file ${name}`);
  } catch (error) {
    throw invalid((error as Error).message);
  }
}
