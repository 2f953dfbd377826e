/** A data key as only the holder of the key-encryption key (KEK) `kek` can use it. */
export interface Wrapped {
  kek: string;
  wrapped: Buffer;
}

/** Holds the key-encryption keys: files, or a key management service that never gives them out. */
export interface KeyProvider {
  /** The id of the KEK that wraps now. @throws KeyProviderProblem */
  current(): Promise<string>;
  /** Wraps with the KEK of now. `context` is bound to it: the same text has to be given to unwrap. @throws KeyProviderProblem */
  wrap(plain: Buffer, context: string): Promise<Wrapped>;
  /** @throws KeyProviderProblem */
  unwrap(it: Wrapped, context: string): Promise<Buffer>;
}

/** Why a key-encryption key cannot be used, and what to do. Holds no part of a key. */
export class KeyProviderProblem extends Error {
  override readonly name = "KeyProviderProblem";
  /** In CamelCase, for a condition. */
  readonly reason: "EncryptionKeyMissing" | "EncryptionKeyInvalid";

  constructor(reason: KeyProviderProblem["reason"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
