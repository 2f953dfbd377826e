import { type KeyProvider, KeyProviderProblem } from "./key-provider.ts";
import { NO_KEY_PROVIDER } from "./tenant-keys.ts";

/** Why nothing can be encrypted, or undefined. */
export async function encryptionProblem(
  provider: KeyProvider | undefined,
): Promise<{ reason: string; message: string } | undefined> {
  if (!provider) return { reason: "EncryptionKeyMissing", message: NO_KEY_PROVIDER };
  try {
    await provider.current();
    return undefined;
  } catch (error) {
    if (error instanceof KeyProviderProblem) return { reason: error.reason, message: error.message };
    throw error;
  }
}
