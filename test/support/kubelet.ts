import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import type { KubernetesObject } from "../../src/kubernetes/object.ts";
import { SECRET } from "../../src/kubernetes/resource-kind.ts";
import { SecretVolume } from "../runtime/fixture.ts";

interface Secret extends KubernetesObject {
  data?: Record<string, string>;
}

/** Brings a Secret into a directory as the kubelet does: some time after it changed, all files at once. What is gone stays as it was. */
export class Kubelet {
  readonly volume: SecretVolume;
  readonly #client: KubernetesClient;
  readonly #secret: { name: string; namespace: string };
  readonly #delayMs: number;
  readonly #due: ((secret: Secret) => Promise<string>) | undefined;
  #version = "";
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(
    client: KubernetesClient,
    secret: { name: string; namespace: string },
    directory: string,
    delayMs: number,
    /** Changes when it is time to look; left out: with the Secret. A kubelet looks when the pod changes. */
    due?: (secret: Secret) => Promise<string>,
  ) {
    this.#due = due;
    this.#client = client;
    this.#secret = secret;
    this.#delayMs = delayMs;
    this.volume = new SecretVolume(directory);
  }

  /** Mounts it as it is now (or as it once was), and follows it. */
  async start(stale?: Record<string, string>): Promise<this> {
    if (stale) await this.volume.publish(stale);
    else await this.#sync(await this.#read());
    this.#loop = this.#follow();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      await sleep(200); // a kubelet's own period is longer still
      const secret = await this.#read().catch(() => undefined);
      if (!secret || (await this.#dueFor(secret)) === this.#version) continue;
      await sleep(this.#delayMs);
      await this.#sync(secret);
    }
  }

  #read(): Promise<Secret> {
    return this.#client.get<Secret>(SECRET, this.#secret.name, this.#secret.namespace);
  }

  async #sync({ data = {}, metadata }: Secret): Promise<void> {
    const text = (value: string) => Buffer.from(value, "base64").toString();
    await this.volume.publish(Object.fromEntries(Object.entries(data).map(([name, value]) => [name, text(value)])));
    this.#version = await this.#dueFor({ data, metadata });
  }

  async #dueFor(secret: Secret): Promise<string> {
    return this.#due ? this.#due(secret) : (secret.metadata.resourceVersion ?? "");
  }
}
