import { createHash } from "node:crypto";
import type { Logger } from "../telemetry/log.ts";
import type { KubernetesClient } from "./client.ts";
import { isNotFound } from "./errors.ts";
import type { KubernetesObject } from "./object.ts";
import { EVENT } from "./resource-kind.ts";

/** What an Event is about. */
export interface EventSubject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; uid?: string };
}

interface Stored extends KubernetesObject {
  count?: number;
}

const MEMORY = 4096;
const QUIET_MS = 5 * 60_000;

/**
 * Writes Events (core/v1, what `kubectl describe` shows). The same Event about the same object counts up on one Event,
 * at most once in five minutes. An Event that cannot be written is logged and forgotten: it never fails a reconcile.
 */
export class EventRecorder {
  readonly #client: KubernetesClient;
  readonly #component: string;
  readonly #logger: Logger;
  readonly #recent = new Map<string, number>();
  /** Where Events about cluster-scoped objects go. */
  readonly #defaultNamespace: string;

  constructor(options: { client: KubernetesClient; component: string; logger: Logger; defaultNamespace?: string }) {
    this.#client = options.client;
    this.#component = options.component;
    this.#logger = options.logger;
    this.#defaultNamespace = options.defaultNamespace ?? "default";
  }

  async record(subject: EventSubject, type: "Normal" | "Warning", reason: string, message: string): Promise<void> {
    const { name, uid = "" } = subject.metadata;
    const namespace = subject.metadata.namespace ?? this.#defaultNamespace;
    const digest = createHash("sha256")
      .update([subject.kind, uid, type, reason, message].join("\0"))
      .digest("hex")
      .slice(0, 16);
    const last = this.#recent.get(digest);
    const now = Date.now();
    if (last !== undefined && now - last < QUIET_MS) return;
    this.#remember(digest, now);
    try {
      await this.#write(
        `${name.slice(0, 200)}.${digest}`,
        namespace,
        subject,
        type,
        reason,
        message.slice(0, 1024),
        new Date(now),
      );
    } catch (error) {
      this.#logger.warn({ reason, err: error }, "an Event could not be written");
    }
  }

  #remember(digest: string, now: number): void {
    this.#recent.delete(digest);
    this.#recent.set(digest, now);
    const oldest = this.#recent.keys().next().value;
    if (this.#recent.size > MEMORY && oldest !== undefined) this.#recent.delete(oldest);
  }

  async #write(
    name: string,
    namespace: string,
    subject: EventSubject,
    type: string,
    reason: string,
    message: string,
    at: Date,
  ): Promise<void> {
    const time = at.toISOString().replace(/\.\d+Z$/, "Z");
    try {
      const before = await this.#client.get<Stored>(EVENT, name, namespace);
      await this.#client.mergePatch(EVENT, name, namespace, { count: (before.count ?? 1) + 1, lastTimestamp: time });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const { apiVersion, kind, metadata } = subject;
      await this.#client.create(
        EVENT,
        {
          apiVersion: "v1",
          kind: "Event",
          metadata: { name, namespace },
          involvedObject: {
            apiVersion,
            kind,
            name: metadata.name,
            uid: metadata.uid,
            ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
          },
          type,
          reason,
          message,
          count: 1,
          firstTimestamp: time,
          lastTimestamp: time,
          source: { component: this.#component },
          reportingComponent: this.#component,
        },
        namespace,
      );
    }
  }
}
