import type { Attempt } from "../attempt.ts";
import { audit } from "./audit.ts";
import { catalogs } from "./catalogs.ts";
import { code } from "./code.ts";
import { definitions } from "./definitions.ts";
import { exhaustion } from "./exhaustion.ts";
import { extensions } from "./extensions.ts";
import { files } from "./files.ts";
import { messages } from "./messages.ts";
import { names } from "./names.ts";
import { operatorReads } from "./operator-reads.ts";
import { reads } from "./reads.ts";
import { roles } from "./roles.ts";
import { rowSecurity } from "./row-security.ts";
import { server } from "./server.ts";
import { tool } from "./tool.ts";
import { writes } from "./writes.ts";

export const ATTEMPTS: readonly Attempt[] = [
  ...reads,
  ...writes,
  ...definitions,
  ...names,
  ...roles,
  ...rowSecurity,
  ...files,
  ...extensions,
  ...messages,
  ...exhaustion,
  ...catalogs,
  ...server,
  ...code,
  ...audit,
  ...tool,
  ...operatorReads,
];
