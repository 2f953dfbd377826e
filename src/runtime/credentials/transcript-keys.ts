import { join } from "node:path";
import type { TranscriptCipher } from "../../database/encryption/cipher.ts";
import { type DataKeys, isDataKeyFile, parseDataKeys } from "../../database/encryption/data-keys.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Environment } from "../config.ts";
import { readSecretFiles } from "../../process/secret-files.ts";
import { Watched } from "../../process/watched.ts";

/** @throws when there are no keys, or what is there is not whole: the last good ones stay in use then */
async function readDataKeys(directory: string): Promise<DataKeys> {
  const keys = parseDataKeys(await readSecretFiles(directory, isDataKeyFile));
  if (Object.keys(keys.keys).length === 0)
    throw new Error(`there are no transcript keys in ${directory} (files key-1 and current)`);
  return keys;
}

/** The keys that transcripts are encrypted with: the folder transcript-keys of the secrets directory, or the operator's mounted Secret. */
export function transcriptKeySource(env: Environment): Watched<DataKeys> {
  const { AGENTPG_SECRETS_DIR: secrets, AGENTPG_TRANSCRIPT_KEYS_DIR: mounted } = env;
  const directory = secrets ? join(secrets, "transcript-keys") : mounted;
  return new Watched(() => readDataKeys(directory));
}

/** Waits until transcripts can be written as they are to be: the operator makes the first key when the first Agent asks for it. */
export async function untilTranscriptKeys(
  source: Watched<DataKeys>,
  cipher: TranscriptCipher,
  log: Logger,
): Promise<void> {
  if (cipher.canWrite) return;
  log.warn({ err: source.problem }, "waiting for a key to encrypt transcripts with");
  await new Promise<void>((resolve) => source.onChange(() => cipher.canWrite && resolve()));
}
