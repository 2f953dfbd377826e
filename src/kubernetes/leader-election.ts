import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../telemetry/log.ts";
import type { KubernetesClient } from "./client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "./errors.ts";
import type { KubernetesObject } from "./object.ts";
import { LEASE } from "./resource-kind.ts";

export interface ElectionOptions {
  client: KubernetesClient;
  namespace: string;
  name: string;
  /** Who we are: unique for each process. */
  identity: string;
  logger: Logger;
  /** How long others wait after our last renewal, in seconds. */
  leaseSeconds?: number;
  /** When we stop counting ourselves as the leader without a renewal, in seconds; less than `leaseSeconds`. */
  renewDeadlineSeconds?: number;
  /** Between two tries, in seconds. */
  retrySeconds?: number;
}

/** This process does not lead any more, whatever it was about to do. */
export class LeaseExpired extends Error {
  override readonly name = "LeaseExpired";
}

interface Lease extends KubernetesObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    renewTime?: string;
    acquireTime?: string;
    leaseTransitions?: number;
  };
}

/** A clock that nobody sets: the machine's own may jump by an hour, and the lease must not change hands for it. */
const monotonicNow = (): number => performance.now();

/** RFC 3339 with microseconds, as `metav1.MicroTime` wants it. */
const microTime = (ms: number): string => new Date(ms).toISOString().replace("Z", "000Z");

/**
 * Leader election on a Lease (coordination.k8s.io/v1), with client-go's rules: a lease is free when its holder gave it up or
 * has not been *seen* to renew it for its duration, by our own clock, so that a skewed clock elsewhere does not matter.
 * Election alone does not fence: what must not happen twice checks the epoch in Postgres as well.
 */
export class LeaderElection {
  readonly #options: Required<ElectionOptions>;
  #seen = { version: "", at: 0 };
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ElectionOptions) {
    this.#options = { leaseSeconds: 15, renewDeadlineSeconds: 10, retrySeconds: 2, ...options };
  }

  /** Resolves when this process is the leader. @throws when `signal` aborts first */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!(await this.#try())) {
      await sleep(this.#options.retrySeconds * 1000 * (1 + Math.random() / 5), undefined, { signal });
    }
    this.#options.logger.info({ identity: this.#options.identity }, "this process leads");
  }

  /** Renews until `signal` aborts; resolves early when the lease is lost: the process must then end. */
  async hold(signal: AbortSignal): Promise<"lost" | "stopped"> {
    for (;;) {
      await sleep(this.#options.retrySeconds * 1000, undefined, { signal }).catch(() => {});
      if (signal.aborted) return "stopped";
      if (await this.#try()) continue;
      if (this.#leftMs() <= 0) return "lost";
    }
  }

  /** Milliseconds that this process may still count itself as the leader. After a long stop there are none, before any renewal is tried. */
  #leftMs(): number {
    return this.#renewedAt + this.#options.renewDeadlineSeconds * 1000 - monotonicNow();
  }

  /**
   * What a leader asks before it writes. A process that was stopped and continued may have had a successor meanwhile.
   * @throws LeaseExpired
   */
  assertLeading(): void {
    const late = -this.#leftMs();
    if (late > 0)
      throw new LeaseExpired(`the lease was not renewed in time (${Math.round(late)} ms ago): nothing more is written`);
  }

  /** Gives the lease up, so that a successor need not wait for it to expire. */
  async release(): Promise<void> {
    const { client, name, namespace, identity } = this.#options;
    try {
      const lease = await client.get<Lease>(LEASE, name, namespace);
      if (lease.spec?.holderIdentity !== identity) return;
      await client.replace(LEASE, { ...lease, spec: { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1 } });
    } catch (error) {
      this.#options.logger.warn({ err: error }, "could not give the lease up; it expires by itself");
    }
  }

  async #try(): Promise<boolean> {
    const began = monotonicNow();
    try {
      const held = await this.#write();
      if (held) this.#renewedAt = began;
      return held;
    } catch (error) {
      if (!isConflict(error)) this.#options.logger.warn({ err: error }, "the lease could not be renewed");
      return false;
    }
  }

  /** A connection that swallows everything must not swallow the deadline: half of it at most, and never more than is left. */
  #patienceMs(): number {
    const half = (this.#options.renewDeadlineSeconds * 1000) / 2;
    const left = this.#leftMs();
    return Math.ceil(left > 0 ? Math.min(half, left) : half);
  }

  async #write(): Promise<boolean> {
    const { client, name, namespace, identity, leaseSeconds } = this.#options;
    const now = Date.now(); // only for people to read: nobody decides on it
    const limits = { timeoutMs: this.#patienceMs(), urgent: true };
    const ours = { holderIdentity: identity, leaseDurationSeconds: leaseSeconds, renewTime: microTime(now) };
    let lease: Lease;
    try {
      lease = await client.get<Lease>(LEASE, name, namespace, limits);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const spec = { ...ours, acquireTime: microTime(now), leaseTransitions: 0 };
      const object = { apiVersion: LEASE.apiVersion, kind: LEASE.kind, metadata: { name, namespace }, spec };
      return client.create(LEASE, object, namespace, limits).then(
        () => true,
        (failure: unknown) => {
          if (isAlreadyExists(failure)) return false;
          throw failure;
        },
      );
    }
    const {
      holderIdentity = "",
      leaseDurationSeconds = leaseSeconds,
      leaseTransitions = 0,
      acquireTime,
    } = lease.spec ?? {};
    const version = lease.metadata.resourceVersion ?? "";
    if (version !== this.#seen.version) this.#seen = { version, at: monotonicNow() };
    const mine = holderIdentity === identity;
    if (!mine && holderIdentity !== "" && monotonicNow() - this.#seen.at < leaseDurationSeconds * 1000) return false;
    const spec = {
      ...ours,
      acquireTime: mine ? acquireTime : microTime(now),
      leaseTransitions: mine ? leaseTransitions : leaseTransitions + 1,
    };
    await client.replace(LEASE, { ...lease, spec }, undefined, limits); // a stale resourceVersion is refused with 409
    return true;
  }
}
