import type { Environment } from "../ensure.ts";
import { TenantNotProvisioned } from "../errors.ts";
import { lockTenant, refuseIfHeldByOther, tenantByUid, type TenantRecord } from "../registry.ts";
import type { Queryable } from "../session.ts";
import { processesWithout } from "./key-readers.ts";
import {
  addDataKey,
  countDataKeys,
  dataKeysNotUnder,
  dataKeysOf,
  makeCurrent,
  notePublished,
  replaceWrapping,
  type WrappedDataKey,
} from "./wrapped-keys.ts";

/** Wrapped data keys in the operator's own schema. They go with the tenant's row, when its data is deleted. */
export interface DataKeyStore {
  /** The tenant's keys, the oldest first; [] without a claim. */
  of(uid: string): Promise<WrappedDataKey[]>;
  add(uid: string, epoch: number, key: Parameters<typeof addDataKey>[2]): Promise<void>;
  notePublished(uid: string, epoch: number, generations: number[]): Promise<void>;
  makeCurrent(uid: string, epoch: number, generation: number): Promise<void>;
  /** How many living processes of the tenant cannot read with this generation yet. */
  processesWithout(uid: string, generation: number): Promise<number>;
  /** Keys of all tenants of this cluster, retained ones too, that another key-encryption key wraps; `limit` at most. */
  notUnder(kek: string, limit: number): Promise<WrappedDataKey[]>;
  /** Replaces one wrapping, if it still is what was read. Gives whether it was. */
  rewrap(epoch: number, old: WrappedDataKey, by: { kek: string; wrapped: Buffer }): Promise<boolean>;
  /** How many data keys of this cluster each key-encryption key wraps. */
  count(): Promise<Map<string, number>>;
}

export function dataKeyStore({ sessions, clusterUid }: Environment): DataKeyStore {
  const fenced = (
    uid: string,
    epoch: number,
    doing: string,
    work: (client: Queryable, tenant: TenantRecord) => Promise<void>,
  ) =>
    sessions.fenced(epoch, doing, async (client) => {
      const tenant = await lockTenant(client, uid);
      if (tenant?.state !== "active")
        throw new TenantNotProvisioned(
          `the Tenant with UID ${uid} has no schema in the database: it gets no data keys`,
        );
      refuseIfHeldByOther(tenant, clusterUid);
      return work(client, tenant);
    });
  return {
    of: (uid) =>
      sessions.read("reading the data keys", async (client) => {
        const tenant = await tenantByUid(client, uid);
        return tenant ? dataKeysOf(client, tenant.id) : [];
      }),
    add: (uid, epoch, key) => fenced(uid, epoch, "adding a data key", (client, { id }) => addDataKey(client, id, key)),
    notePublished: (uid, epoch, generations) =>
      fenced(uid, epoch, "noting published data keys", (client, { id }) => notePublished(client, id, generations)),
    makeCurrent: (uid, epoch, generation) =>
      fenced(uid, epoch, "changing the data key in use", (client, { id }) => makeCurrent(client, id, generation)),
    processesWithout: (uid, generation) => processesWithout(sessions, uid, generation),
    notUnder: (kek, limit) =>
      sessions.read("looking for data keys to wrap anew", (client) => dataKeysNotUnder(client, clusterUid, kek, limit)),
    rewrap: (epoch, old, by) =>
      sessions.fenced(epoch, "wrapping a data key anew", (client) => replaceWrapping(client, old, by)),
    count: () => sessions.read("counting data keys", (client) => countDataKeys(client, clusterUid)),
  };
}
