import { z } from "zod";

/** The rows of `Tenant.status.securityChecks`, in the order in which they are shown: before production, in production, and beyond. */
export const SECURITY_CHECKS = [
  "NoCredentialInSpec",
  "DatabaseTLS",
  "ToolInputsValidated",
  "PiiPolicy",
  "AuditIntact",
  "RateLimits",
  "ErrorsRedacted",
  "CrossTenantRefused",
  "TlsMinimum",
  "EncryptionAtRest",
  "KeysRotated",
  "AnomaliesWatched",
  "AccessLogsReviewed",
  "IncidentPlan",
  "AuditSchedule",
  "PodsRestricted",
  "NetworkPolicyPresent",
  "NetworkPolicyEnforced",
  "RetentionRan",
] as const;
export type SecurityCheckName = (typeof SECURITY_CHECKS)[number];

/** Passed and Failed were proved; Unknown: it could not be, or it is a choice that nobody here can judge. */
export const SECURITY_CHECK_STATUSES = ["Passed", "Failed", "Unknown"] as const;

export const securityCheck = z.object({
  name: z.string().min(1).max(64),
  status: z.enum(SECURITY_CHECK_STATUSES),
  reason: z.string().min(1).max(64),
  message: z.string().max(1024).describe("What was done to prove it; or what is wrong, and the remedy."),
  checkedAt: z
    .string()
    .meta({ format: "date-time" })
    .describe("When it was found so. Renewed once a day while nothing changes."),
});
export type SecurityCheck = z.infer<typeof securityCheck>;

export const securityChecks = z
  .array(securityCheck)
  .max(64)
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] })
  .describe("What was proved of the tenant's security (docs/security.md).");
