import { RUN_STATES } from "../../database/runs/run.ts";

/** A parameter that is not in the path. */
export interface Parameter {
  name: string;
  in: "query" | "header";
  schema: object;
  description?: string;
}

/** One operation of the API, as the document has it. */
export interface Operation {
  /** As express has it. */
  path: string;
  method: "get" | "post" | "patch" | "delete";
  id: string;
  tag: "Sessions" | "Runs" | "Approvals" | "Usage";
  summary: string;
  description?: string;
  parameters?: Parameter[];
  /** The schema's name, and an example. */
  body?: [schema: string, example: unknown];
  /** Status, what it means, and the schema's name; `events`: a stream. */
  answers: [status: number, description: string, schema?: string][];
  /** Beside those that all have. */
  problems?: Record<number, string>;
}

const query = (name: string, schema: object, description?: string): Parameter => ({
  name,
  in: "query",
  schema,
  ...(description ? { description } : {}),
});
const limit = (maximum: number, standard: number) =>
  query("limit", { type: "integer", minimum: 1, maximum, default: standard });
const before = query("before", { type: "string", format: "uuid" }, "The `next` of the page before.");
const NO_SESSION = { 404: "There is no such session." };
const NO_RUN = { 404: "There is no such run." };
const BUSY = {
  429: "A limit of the tenant's or the agent's is reached; see Retry-After.",
};

export const OPERATIONS: Operation[] = [
  {
    path: "/sessions",
    method: "post",
    id: "createSession",
    tag: "Sessions",
    summary: "Open a session",
    body: ["NewSession", { metadata: { channel: "web" } }],
    answers: [[201, "Opened; Location has its place.", "Session"]],
    problems: { 429: "You have opened too many within a minute; see Retry-After." },
  },
  {
    path: "/sessions",
    method: "get",
    id: "listSessions",
    tag: "Sessions",
    summary: "List your sessions, the newest first",
    parameters: [
      limit(100, 20),
      before,
      query(
        "metadata",
        { type: "array", maxItems: 8, items: { type: "string" } },
        "`key:value`: sessions with this entry, or with all of several.",
      ),
    ],
    answers: [[200, "A page.", "SessionPage"]],
  },
  {
    path: "/sessions/:id",
    method: "get",
    id: "getSession",
    tag: "Sessions",
    summary: "Get a session",
    answers: [[200, "The session.", "Session"]],
    problems: NO_SESSION,
  },
  {
    path: "/sessions/:id",
    method: "patch",
    id: "changeSession",
    tag: "Sessions",
    summary: "Change some of its metadata",
    body: ["SessionChange", { metadata: { channel: "mail", draft: null } }],
    answers: [[200, "As it is now.", "Session"]],
    problems: NO_SESSION,
  },
  {
    path: "/sessions/:id",
    method: "delete",
    id: "eraseSession",
    tag: "Sessions",
    summary: "Erase a session with all that was said in it",
    answers: [[204, "It is gone."]],
    problems: {
      ...NO_SESSION,
      409: "Its runs are being cancelled (see Retry-After), or the tenant's database is not migrated yet and keeps originals of compacted messages.",
    },
  },
  {
    path: "/sessions/:id/messages",
    method: "get",
    id: "listMessages",
    tag: "Sessions",
    summary: "List its messages as they were said",
    description: "Where compaction has changed or taken out a message, its original for as long as that is kept.",
    parameters: [limit(500, 100), query("after", { type: "integer", minimum: 0, default: 0 }, "A message's seq.")],
    answers: [[200, "A page.", "MessagePage"]],
    problems: NO_SESSION,
  },
  {
    path: "/sessions/:id/context",
    method: "get",
    id: "getContext",
    tag: "Sessions",
    summary: "See how full its context is",
    answers: [[200, "As it is now.", "Context"]],
    problems: NO_SESSION,
  },
  {
    path: "/sessions/:id/compact",
    method: "post",
    id: "compactSession",
    tag: "Sessions",
    summary: "Compact the conversation now",
    answers: [[200, "What became of it.", "Compacted"]],
    problems: { ...NO_SESSION, ...BUSY, 409: "A run is under way." },
  },
  {
    path: "/sessions/:id/runs",
    method: "post",
    id: "startRun",
    tag: "Runs",
    summary: "Ask",
    description:
      "With `Accept: text/event-stream` the answer is the run's events; a client that goes away stops nothing. A repeated Idempotency-Key gives the run that is there.",
    parameters: [
      {
        name: "Idempotency-Key",
        in: "header",
        schema: { type: "string", pattern: "^[\\x21-\\x7e]{1,255}$" },
        description: "Unique in the session.",
      },
    ],
    body: ["NewRun", { message: "Where is order 1042?" }],
    answers: [
      [202, "Taken; Location has its place.", "AcceptedRun"],
      [200, "The run's events.", "events"],
    ],
    problems: { ...NO_SESSION, ...BUSY },
  },
  {
    path: "/sessions/:id/runs",
    method: "get",
    id: "listRuns",
    tag: "Runs",
    summary: "List the runs of a session, the newest first",
    parameters: [limit(100, 20), before, query("state", { type: "string", enum: RUN_STATES })],
    answers: [[200, "A page.", "RunPage"]],
    problems: NO_SESSION,
  },
  {
    path: "/runs/:id",
    method: "get",
    id: "getRun",
    tag: "Runs",
    summary: "Get a run",
    answers: [[200, "The run.", "Run"]],
    problems: NO_RUN,
  },
  {
    path: "/runs/:id/events",
    method: "get",
    id: "followRun",
    tag: "Runs",
    summary: "Follow a run, from its start or after an event, to its end",
    parameters: [
      {
        name: "Last-Event-ID",
        in: "header",
        schema: { type: "string", pattern: "^\\d{1,9}(\\.\\d{1,9})?$" },
        description: "The id of the last event that was heard.",
      },
    ],
    answers: [[200, "Its events.", "events"]],
    problems: { ...NO_RUN, 429: "You have too many streams open; see Retry-After." },
  },
  {
    path: "/runs/:id/tree",
    method: "get",
    id: "getRunTree",
    tag: "Runs",
    summary: "Get a run with its tool calls and the runs that it asked other agents for",
    answers: [[200, "The tree.", "RunTree"]],
    problems: NO_RUN,
  },
  {
    path: "/runs/:id/cancel",
    method: "post",
    id: "cancelRun",
    tag: "Runs",
    summary: "Cancel a run",
    answers: [[202, "It ends soon; one that is over stays as it is.", "Run"]],
    problems: NO_RUN,
  },
  {
    path: "/approvals",
    method: "get",
    id: "listApprovals",
    tag: "Approvals",
    summary:
      "List the tool calls that wait for a person, the oldest first: those of your runs; for an approver, those of all runs",
    parameters: [limit(100, 100), query("after", { type: "string", maxLength: 512 }, "The `next` of the page before.")],
    answers: [[200, "A page.", "ApprovalPage"]],
  },
  {
    path: "/runs/:id/approvals/:toolUseId",
    method: "post",
    id: "decideApproval",
    tag: "Approvals",
    summary: "Approve or deny a tool call",
    body: ["Decision", { approve: false, reason: "Ask the customer first." }],
    answers: [[200, "Decided.", "Decided"]],
    problems: {
      403: "You are not the one who decides on this call.",
      404: "There is no such run, or no such call that waits.",
      409: "Nobody is waited for any more, or the opposite was decided.",
    },
  },
  {
    path: "/usage",
    method: "get",
    id: "getUsage",
    tag: "Usage",
    summary: "See what was spent",
    description:
      "Your own, from the runs that are kept; with `scope=tenant` all of the tenant's, for tokens with the scope `agentpg:admin`.",
    parameters: [
      query("from", { type: "string", format: "date" }, "A UTC day; left out: the first of this month."),
      query("to", { type: "string", format: "date" }, "The last day; left out: today."),
      query("by", { type: "string", enum: ["day", "agent", "model", "user"], default: "day" }),
      query("scope", { type: "string", enum: ["user", "tenant"], default: "user" }),
    ],
    answers: [[200, "Spend by what was asked for.", "Usage"]],
  },
  {
    path: "/limits",
    method: "get",
    id: "getLimits",
    tag: "Usage",
    summary: "See the limits and how far the budgets are spent",
    answers: [[200, "As they are now.", "Limits"]],
  },
];
