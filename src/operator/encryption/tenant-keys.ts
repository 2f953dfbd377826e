import { tenantNamespace, type Tenant } from "../../api/tenant.ts";
import type { DataKeyStore } from "../../database/encryption/data-key-store.ts";
import type { WrappedDataKey } from "../../database/encryption/wrapped-keys.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { EventRecorder } from "../../kubernetes/events.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { SECRET } from "../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../config.ts";
import type { DatabaseServers } from "../databases/servers.ts";
import { ROTATE_DATA_KEY_ANNOTATION } from "../labels.ts";
import { TRANSCRIPT_KEYS_SECRET } from "../shared-names.ts";
import { failed, ok, type Outcome } from "../tenant/conditions.ts";
import { found } from "../found.ts";
import { publishSecret } from "../tenant/publish-secret.ts";
import { unwrapKeys, wrapNewKey } from "./data-keys.ts";
import { newGenerationIsDue, waitForPods } from "./decide.ts";
import { type KeyProvider, KeyProviderProblem } from "./key-provider.ts";
import { transcriptKeysSecret } from "./keys-secret.ts";

interface Dependencies {
  client: KubernetesClient;
  config: OperatorConfig;
  events: EventRecorder;
  databases: DatabaseServers;
  keyProvider: KeyProvider | undefined;
}

/** What one round works with. */
interface Round {
  tenant: Tenant;
  provider: KeyProvider;
  store: DataKeyStore;
  epoch: number;
}

/** `advanced`: pods may write with another generation now, which has to be published. */
type Advance = { step: "settled" } | { step: "advanced" } | { step: "waiting"; message: string };

const SOON_MS = 2_000;
/** How soon it is looked again whether keys that could not be used can. */
const AGAIN_MS = 15_000;
/** A new generation that nobody has to be waited for takes two: it is published, then put to use. */
const MOST_ROUNDS = 3;
/** What is kept of an annotation's value, in characters. */
const LONGEST_REQUEST = 253;

export const NO_KEY_PROVIDER =
  "the operator has no key-encryption key: create a Secret with one and name it in the chart value encryption.keySecret (docs/operations.md, Encryption)";

/** What pods have already goes on working, so the Tenant stays ready. */
const notWorking = (reason: string, message: string): Outcome => ({
  ...failed(reason, message),
  tolerable: true,
  retryAfterMs: AGAIN_MS,
});

/** Makes a tenant's data keys, gives them to its pods, and takes a rotation as far as it can go now. */
export class TenantDataKeys {
  readonly #deps: Dependencies;
  readonly #fieldManager: string;

  constructor(deps: Dependencies, fieldManager: string) {
    this.#deps = deps;
    this.#fieldManager = fieldManager;
  }

  /**
   * @param wanted whether an Agent of the tenant asks for encryption
   * @param known how many keys it was just seen to have, if that was looked at
   * @returns undefined when the tenant has nothing to do with it
   * @throws DatabaseError, ForeignObject, ApiError
   */
  async ensure(tenant: Tenant, wanted: boolean, known: number | undefined): Promise<Outcome | undefined> {
    if (!wanted && known === 0) return undefined;
    return this.#deps.databases.of(tenant).use(async ({ dataKeys: store }, epoch) => {
      const keys = await store.of(tenant.metadata.uid);
      if (!wanted && keys.length === 0) return undefined;
      const { keyProvider: provider } = this.#deps;
      if (!provider) return notWorking("EncryptionKeyMissing", NO_KEY_PROVIDER);
      try {
        return await this.#rounds({ tenant, provider, store, epoch }, keys);
      } catch (error) {
        if (error instanceof KeyProviderProblem) return notWorking(error.reason, error.message);
        throw error;
      }
    });
  }

  async #rounds(round: Round, keys: WrappedDataKey[]): Promise<Outcome> {
    const { tenant, provider, store } = round;
    let known = keys;
    for (let count = 1; ; count++) {
      if (newGenerationIsDue(known, this.#wish(tenant), new Date())) known = await this.#add(round, known);
      await this.#publish(round, known);
      const advance = await this.#advance(round, known);
      if (advance.step !== "advanced") return settled(advance, known, await provider.current());
      if (count === MOST_ROUNDS) return ok("RotatingDataKey", "another data key has just come into use");
      known = await store.of(tenant.metadata.uid);
    }
  }

  #wish({ metadata }: Tenant) {
    const { dataKeyMaxAgeDays: maxAgeDays } = this.#deps.config.encryption;
    return { requested: metadata.annotations[ROTATE_DATA_KEY_ANNOTATION]?.slice(0, LONGEST_REQUEST), maxAgeDays };
  }

  async #add({ tenant, provider, store, epoch }: Round, keys: WrappedDataKey[]): Promise<WrappedDataKey[]> {
    const { uid } = tenant.metadata;
    const generation = (keys.at(-1)?.generation ?? 0) + 1;
    const tenantId = (await this.#deps.databases.of(tenant).use((it) => it.find(uid)))?.id ?? "";
    const wrapped = await wrapNewKey(provider, tenantId, generation);
    const request = this.#wish(tenant).requested ?? keys.at(-1)?.request ?? null;
    await store.add(uid, epoch, { generation, request, ...wrapped });
    return store.of(uid);
  }

  async #publish({ tenant, provider, store, epoch }: Round, keys: WrappedDataKey[]): Promise<void> {
    const { client, events } = this.#deps;
    const live = await found(client.get<KubernetesObject>(SECRET, TRANSCRIPT_KEYS_SECRET, tenantNamespace(tenant)));
    const wanted = transcriptKeysSecret(tenant, await unwrapKeys(provider, keys));
    const { drifted } = await publishSecret(client, wanted, live, this.#fieldManager);
    if (drifted)
      await events.record(
        tenant,
        "Warning",
        "DriftRepaired",
        `Secret ${TRANSCRIPT_KEYS_SECRET} had been changed and was set right`,
      );
    const fresh = keys.filter((it) => !it.publishedAt).map((it) => it.generation);
    if (fresh.length > 0) await store.notePublished(tenant.metadata.uid, epoch, fresh);
  }

  /** Puts a pending generation to use when every pod can read with it; else says what it waits for. */
  async #advance({ tenant, store, epoch }: Round, keys: WrappedDataKey[]): Promise<Advance> {
    const pending = keys.find((it) => it.state === "pending");
    if (!pending) return { step: "settled" };
    const { uid } = tenant.metadata;
    const { publishSeconds } = this.#deps.config.encryption;
    const what = `data key generation ${pending.generation} is published; it is written with once`;
    const behind = await store.processesWithout(uid, pending.generation);
    if (behind > 0) return { step: "waiting", message: `${what} ${behind} more processes can read with it` };
    if (waitForPods(keys, pending, publishSeconds, new Date()) > 0)
      return {
        step: "waiting",
        message: `${what} it has been there for ${publishSeconds} s (encryption.publishSeconds)`,
      };
    await store.makeCurrent(uid, epoch, pending.generation);
    await this.#deps.events.record(
      tenant,
      "Normal",
      "DataKeyInUse",
      `transcripts are encrypted with data key generation ${pending.generation} from now on`,
    );
    return { step: "advanced" };
  }
}

function settled(advance: Exclude<Advance, { step: "advanced" }>, keys: WrappedDataKey[], kek: string): Outcome {
  const older = keys.filter((it) => it.kek !== kek).length;
  const note = older > 0 ? `; ${older} of ${keys.length} data keys are still under an earlier key-encryption key` : "";
  if (advance.step === "waiting")
    return { ...ok("RotatingDataKey", `${advance.message}${note}`), retryAfterMs: SOON_MS };
  const current = keys.find((it) => it.state === "current")?.generation;
  return ok("Published", `data key generation ${current} of ${keys.length} is in use${note}`);
}
