import type { SecurityCheckName } from "../../../api/security-checks.ts";
import { type Check, failed, passed, unknown } from "../outcome.ts";

const DAY_MS = 86_400_000;
/** A plan that nobody has looked at for a year proves nothing. */
const GOOD_FOR_DAYS = 365;

/** What no machine can prove: that somebody wrote it down, and when. */
const KINDS = {
  AccessLogsReviewed: { value: "accessReview", what: "the last review of access logs" },
  IncidentPlan: { value: "incidentPlan", what: "the incident-response plan" },
  AuditSchedule: { value: "auditSchedule", what: "the schedule of security audits" },
} as const satisfies Partial<Record<SecurityCheckName, object>>;

export type DocumentKind = (typeof KINDS)[keyof typeof KINDS]["value"];

const documentCheck = (name: keyof typeof KINDS): Check => ({
  name,
  decide({ documents, now }) {
    const { value, what } = KINDS[name];
    const document = documents[value];
    const where = `chart value securityChecks.documents.${value}`;
    if (!document) return unknown("NoDocument", `no machine can see ${what}: give its date and place in ${where}`);
    const said = `${what} is ${document.place}, of ${document.date}`;
    if (now.getTime() - Date.parse(document.date) > GOOD_FOR_DAYS * DAY_MS)
      return failed("Outdated", `${said}, more than a year ago: go over it, and set the new date in ${where}`);
    return passed("Dated", `${said} (${where}); its contents were not judged`);
  },
});

export const documentChecks: readonly Check[] = (Object.keys(KINDS) as (keyof typeof KINDS)[]).map(documentCheck);
