import { randomBytes } from "node:crypto";
import { type DataKeys, KEY_BYTES } from "../../database/encryption/data-keys.ts";
import type { WrappedDataKey } from "../../database/encryption/wrapped-keys.ts";
import type { KeyProvider, Wrapped } from "./key-provider.ts";

/** What a wrapped data key is bound to: it is of no use to another tenant, or as another generation. */
const contextOf = (tenantId: string, generation: number): string => JSON.stringify([tenantId, generation]);

/** A new data key, wrapped. Nobody has seen it in the clear. */
export const wrapNewKey = (provider: KeyProvider, tenantId: string, generation: number): Promise<Wrapped> =>
  provider.wrap(randomBytes(KEY_BYTES), contextOf(tenantId, generation));

/** @throws KeyProviderProblem */
export const unwrapKey = (provider: KeyProvider, it: WrappedDataKey): Promise<Buffer> =>
  provider.unwrap(it, contextOf(it.tenantId, it.generation));

/** The same data key under the key-encryption key of now. @throws KeyProviderProblem */
export const wrapAnew = async (provider: KeyProvider, it: WrappedDataKey): Promise<Wrapped> =>
  provider.wrap(await unwrapKey(provider, it), contextOf(it.tenantId, it.generation));

/** A tenant's data keys in the clear. @throws KeyProviderProblem when one of them cannot be unwrapped: all or none */
export async function unwrapKeys(provider: KeyProvider, wrapped: WrappedDataKey[]): Promise<DataKeys> {
  const entries = wrapped.map(
    async (it) => [it.generation, (await unwrapKey(provider, it)).toString("base64")] as [number, string],
  );
  return {
    keys: Object.fromEntries(await Promise.all(entries)),
    current: wrapped.find((it) => it.state === "current")?.generation,
  };
}
