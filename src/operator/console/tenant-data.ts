import type { TranscriptDatabase } from "../../database/encryption/transcript-database.ts";
import type { TenantDatabase } from "../../database/tenants.ts";
import type { Agent } from "../../api/agent.ts";
import { type Tenant, tenantNamespace } from "../../api/tenant.ts";
import type { Caches } from "../caches.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import type { KeyProvider } from "../encryption/key-provider.ts";
import { readingKeys } from "../encryption/row-decoder.ts";
import { Problem } from "./problem.ts";
import { Turns } from "./turns.ts";

/** Of the operator's eight connections; a read takes one, or two when the tenant has a database of its own. */
const AT_ONCE = 3;
const MOST_WAITING = 50;
const NO_KEYS = { keys: {}, current: undefined };

/** A tenant's rows, as the console reads and writes them. */
export class TenantData {
  readonly #caches: Caches;
  readonly #databases: DatabaseServers;
  readonly #provider: KeyProvider | undefined;
  readonly #turns = new Turns(AT_ONCE, MOST_WAITING);

  constructor(caches: Caches, databases: DatabaseServers, provider: KeyProvider | undefined) {
    this.#caches = caches;
    this.#databases = databases;
    this.#provider = provider;
  }

  /** @throws Problem 404 */
  tenant(name: string): Tenant {
    const tenant = this.#caches.tenants.get(name);
    if (tenant) return tenant;
    throw new Problem(404, "not-found", `there is no Tenant ${JSON.stringify(name)}`, "kubectl get tenants lists them");
  }

  /** Of this tenant. @throws Problem 404 when there is no such tenant */
  agent(tenant: string, name: string): Agent | undefined {
    return this.#caches.agentsOfNamespace(tenantNamespace(this.tenant(tenant))).find((it) => it.metadata.name === name);
  }

  /** What holds nothing of what was said. @throws DatabaseError */
  rows<T>(name: string, doing: string, work: (db: TranscriptDatabase) => Promise<T>): Promise<T> {
    const tenant = this.tenant(name);
    const { uid } = tenant.metadata;
    return this.#look(tenant, (database) => database.console.read({ uid, keys: NO_KEYS }, doing, work));
  }

  /** What was said too, readable as far as the operator has the keys. @throws DatabaseError, OperationRefused */
  content<T>(name: string, doing: string, work: (db: TranscriptDatabase) => Promise<T>): Promise<T> {
    const tenant = this.tenant(name);
    const { uid } = tenant.metadata;
    return this.#look(tenant, async (database) => {
      const keys = await readingKeys(database, this.#provider, uid);
      return database.console.read({ uid, keys }, doing, work);
    });
  }

  /** A few rows, in a transaction of their own. `agent` says whether what is written is encrypted. @throws DatabaseError */
  write<T>(
    name: string,
    agent: string,
    doing: string,
    work: (db: TranscriptDatabase, tenant: string) => Promise<T>,
  ): Promise<T> {
    const tenant = this.tenant(name);
    const { uid } = tenant.metadata;
    const encrypts = this.agent(name, agent)?.spec.dataProtection.encryptTranscripts ?? false;
    return this.#look(tenant, async (database) => {
      const keys = encrypts ? await readingKeys(database, this.#provider, uid) : NO_KEYS;
      return database.console.write({ uid, keys, encrypts }, doing, work);
    });
  }

  /** When the audit log was last found whole. */
  anchor(name: string) {
    const tenant = this.tenant(name);
    const { uid } = tenant.metadata;
    return this.#look(tenant, (database) => database.auditAnchor({ uid }));
  }

  #look<T>(tenant: Tenant, work: (database: TenantDatabase) => Promise<T>): Promise<T> {
    return this.#turns.take(async () => this.#databases.of(tenant).look(work));
  }
}
