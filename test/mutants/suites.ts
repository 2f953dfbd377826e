import { ACCESS_CHECKS } from "./list/access.ts";
import { ADMISSION } from "./list/admission.ts";
import { KEY_BROKER } from "./list/broker.ts";
import { NETWORK, PODS } from "./list/cluster.ts";
import { AUDIT_AND_TRANSCRIPTS, DATABASE_RIGHTS, FENCES, PERSONAL_DATA, SQL_TOOL } from "./list/data.ts";
import { HTTP_TOOL } from "./list/http-tool.ts";
import { REDACTION } from "./list/redaction.ts";
import { WORKSPACE_TOOLS } from "./list/workspace-tools.ts";
import type { Mutant } from "./mutant.ts";

/** All mutants, by what they weaken. */
export const SUITES: Record<string, Mutant[]> = {
  "Tool `http`": HTTP_TOOL,
  "Tools `files` and `commands`": WORKSPACE_TOOLS,
  "Tool `sql`": SQL_TOOL,
  "Access to the API": ACCESS_CHECKS,
  "Key broker": KEY_BROKER,
  "Personal data": PERSONAL_DATA,
  "Audit log and transcripts": AUDIT_AND_TRANSCRIPTS,
  "Rights in Postgres": DATABASE_RIGHTS,
  Fences: FENCES,
  Pods: PODS,
  "Admission policies": ADMISSION,
  "Network policies": NETWORK,
  "Errors and logs": REDACTION,
};

export const MUTANTS: Mutant[] = Object.values(SUITES).flat();
