import { SECURITY_CHECKS, type SecurityCheck, type SecurityCheckName } from "../../../api/security-checks.ts";
import type { Observation } from "../observation.ts";
import type { Check } from "../outcome.ts";
import { anomaliesWatched } from "./anomalies-watched.ts";
import { auditIntact } from "./audit-intact.ts";
import { crossTenantRefused } from "./cross-tenant-refused.ts";
import { databaseTls } from "./database-tls.ts";
import { documentChecks } from "./documents.ts";
import { encryptionAtRest } from "./encryption-at-rest.ts";
import { errorsRedacted } from "./errors-redacted.ts";
import { keysRotated } from "./keys-rotated.ts";
import { networkPolicyEnforced } from "./network-policy-enforced.ts";
import { networkPolicyPresent } from "./network-policy-present.ts";
import { noCredentialInSpec } from "./no-credential-in-spec.ts";
import { piiPolicy } from "./pii-policy.ts";
import { podsRestricted } from "./pods-restricted.ts";
import { rateLimits } from "./rate-limits.ts";
import { retentionRan } from "./retention-ran.ts";
import { tlsMinimum } from "./tls-minimum.ts";
import { toolInputsValidated } from "./tool-inputs-validated.ts";

const CHECKS: readonly Check[] = [
  anomaliesWatched,
  auditIntact,
  crossTenantRefused,
  databaseTls,
  ...documentChecks,
  encryptionAtRest,
  errorsRedacted,
  keysRotated,
  networkPolicyEnforced,
  networkPolicyPresent,
  noCredentialInSpec,
  piiPolicy,
  podsRestricted,
  rateLimits,
  retentionRan,
  tlsMinimum,
  toolInputsValidated,
];

const placeOf = (name: SecurityCheckName): number => SECURITY_CHECKS.indexOf(name);
const ORDERED = CHECKS.toSorted((a, b) => placeOf(a.name) - placeOf(b.name));

/** All rows, as this look finds them. Pure. */
export const decideChecks = (observed: Observation): Omit<SecurityCheck, "checkedAt">[] =>
  ORDERED.map(({ name, decide }) => ({ name, ...decide(observed) }));
