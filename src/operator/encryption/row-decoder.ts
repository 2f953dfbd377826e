import { TranscriptCipher } from "../../database/encryption/cipher.ts";
import type { DataKeys } from "../../database/encryption/data-keys.ts";
import { TranscriptUnreadable } from "../../database/encryption/errors.ts";
import { decodeRow } from "../../database/encryption/rows.ts";
import type { TenantDatabase } from "../../database/tenants.ts";
import { OperationRefused } from "../admin/operation.ts";
import type { DatabaseAccess } from "../databases/database-access.ts";
import { unwrapKeys } from "./data-keys.ts";
import { type KeyProvider, KeyProviderProblem } from "./key-provider.ts";

type Row = Record<string, unknown>;

/**
 * What makes a tenant's rows readable for an export; with no data keys, rows come as they are but for what is escaped in them.
 * @throws OperationRefused when the tenant has data keys that cannot be unwrapped
 */
export async function rowDecoder(
  database: DatabaseAccess,
  provider: KeyProvider | undefined,
  uid: string,
): Promise<(type: string, row: Row) => Promise<Row>> {
  const [tenant, keys] = await database.use((it) => Promise.all([it.find(uid), readingKeys(it, provider, uid)]));
  const cipher = new TranscriptCipher(tenant?.id ?? "", () => keys);
  return async (type, row) => {
    try {
      return decodeRow(cipher, type, row);
    } catch (error) {
      if (error instanceof TranscriptUnreadable) throw new OperationRefused("TranscriptUnreadable", error.message);
      throw error;
    }
  };
}

/**
 * The keys that a tenant's rows are read with; none where the operator has no key-encryption key.
 * @throws OperationRefused when the tenant has data keys that cannot be unwrapped
 */
export async function readingKeys(
  database: Pick<TenantDatabase, "dataKeys">,
  provider: KeyProvider | undefined,
  uid: string,
): Promise<DataKeys> {
  if (!provider) return { keys: {}, current: undefined };
  const wrapped = await database.dataKeys.of(uid);
  try {
    return await unwrapKeys(provider, wrapped);
  } catch (error) {
    if (error instanceof KeyProviderProblem) throw new OperationRefused(error.reason, error.message);
    throw error;
  }
}
