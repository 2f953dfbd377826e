import type { SecurityCheck } from "../../../api/security-checks.ts";
import type { Observation } from "../observation.ts";
import type { Check } from "../outcome.ts";
import { crossTenantRefused } from "./cross-tenant-refused.ts";
import { databaseTls } from "./database-tls.ts";
import { keysRotated } from "./keys-rotated.ts";
import { noCredentialInSpec } from "./no-credential-in-spec.ts";
import { podsRestricted } from "./pods-restricted.ts";

/** In the order in which they are shown. */
const CHECKS: readonly Check[] = [noCredentialInSpec, databaseTls, keysRotated, crossTenantRefused, podsRestricted];

/** All rows, as this look finds them. Pure. */
export const decideChecks = (observed: Observation): Omit<SecurityCheck, "checkedAt">[] =>
  CHECKS.map(({ name, decide }) => ({ name, ...decide(observed) }));
