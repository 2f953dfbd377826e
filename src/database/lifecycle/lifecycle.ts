import type { Environment } from "../ensure.ts";
import type { TenantRecord } from "../registry.ts";
import { countSubject, type SubjectCounts } from "./count-subject.ts";
import { erase, type Erasure, type ErasureRequest } from "./erase.ts";
import type { ErasureProgress } from "./erase-work.ts";
import { type ExportOptions, type ExportRequest, exportTenant } from "./export.ts";
import { listRetained, purgeRetained } from "./purge-retained.ts";
import { applyRetention, type RetentionPolicy } from "./retention.ts";
import { type RetentionRun, retentionRuns } from "./retention-runs.ts";
import type { Subject } from "./subject.ts";
import { type AuditVerification, verifyAudit, type VerifyOptions } from "./verify-audit.ts";

/** What becomes of a tenant's rows: they are exported, they grow old and are removed, or somebody asks for their erasure. */
export interface TenantLifecycle {
  /** Removes what the policy does not keep; see {@link applyRetention}. */
  applyRetention(
    tenant: { uid: string },
    policy: RetentionPolicy,
    epoch: number,
    signal: AbortSignal,
  ): Promise<RetentionRun>;
  /** The last retention run of each tenant that succeeded. */
  retentionRuns(): Promise<RetentionRun[]>;
  countSubject(tenant: { uid: string }, subject: Subject): Promise<SubjectCounts>;
  erase(
    request: ErasureRequest,
    epoch: number,
    signal: AbortSignal,
    progress: (at: ErasureProgress) => Promise<void>,
  ): Promise<Erasure>;
  /** Whether the audit log is as it was written; see {@link verifyAudit}. */
  verifyAudit(tenant: { uid: string }, epoch: number, options: VerifyOptions): Promise<AuditVerification>;
  exportTenant(request: ExportRequest, options: ExportOptions): Promise<void>;
  /** What deleted Tenants left, and the end of it. */
  retained(): Promise<TenantRecord[]>;
  purgeRetained(name: string, epoch: number): Promise<TenantRecord>;
}

export const tenantLifecycle = (environment: Environment): TenantLifecycle => ({
  applyRetention: (tenant, policy, epoch, signal) => applyRetention(environment, tenant, policy, epoch, signal),
  retentionRuns: () => retentionRuns(environment.sessions, environment.clusterUid),
  countSubject: ({ uid }, subject) => countSubject(environment, uid, subject),
  erase: (request, epoch, signal, progress) => erase(environment, request, epoch, signal, progress),
  verifyAudit: ({ uid }, epoch, options) => verifyAudit(environment, uid, epoch, options),
  exportTenant: (request, options) => exportTenant(environment, request, options),
  retained: () => listRetained(environment),
  purgeRetained: (name, epoch) => purgeRetained(environment, name, epoch),
});
