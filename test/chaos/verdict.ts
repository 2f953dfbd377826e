import type { Asked } from "./callers.ts";
import type { Ledger } from "./ledger.ts";
import type { Observer } from "./observer.ts";

/** What went wrong, as numbers; `details` tells the first few of each. */
export interface Verdict {
  /** Accepted and then not there, or ended otherwise than completed with the right answer. */
  runsLost: number;
  runsStuck: number;
  messagesDuplicated: number;
  nonIdempotentTwice: number;
  /** Streams whose text was another than the answer. */
  streamsWrong: number;
  details: string[];
}

interface RunRow {
  id: string;
  sessionId: string;
  state: string;
  prompt: string;
  response: string | null;
  error: unknown;
}

const MOST_DETAILS = 5;
const isFinal = (state: string) => ["completed", "failed", "cancelled"].includes(state);

/** Looks at everything from the outside: what callers were told, the tables, and what happened to the world. */
export async function judge(asked: Asked[], observer: Observer, ledger: Ledger): Promise<Verdict> {
  const runs = await observer.rows<RunRow>(
    `SELECT id, session_id AS "sessionId", state, prompt, response, error FROM runs`,
  );
  const unfinished = runs.filter((it) => !isFinal(it.state));
  const stuck = await Promise.all(unfinished.map((it) => observer.stuck(it.id)));
  const lost = lostRuns(asked, runs);
  const doubled = [...runsTwice(asked, runs), ...(await brokenConversations(observer, runs))];
  const twice = effectsTwice(ledger);
  const wrong = asked.filter((it) => it.streamed !== undefined && it.streamed !== it.end?.response);
  const some = (what: string, list: unknown[]) =>
    list.slice(0, MOST_DETAILS).map((it) => `${what}: ${typeof it === "string" ? it : JSON.stringify(it)}`);
  return {
    runsLost: lost.length,
    runsStuck: stuck.length,
    messagesDuplicated: doubled.length,
    nonIdempotentTwice: twice.length,
    streamsWrong: wrong.length,
    details: [
      ...some("lost", lost),
      ...some("stuck", stuck),
      ...some("duplicated", doubled),
      ...some("done twice", twice),
      ...some("wrong stream", wrong),
    ],
  };
}

/** Runs of callers that did not end with the answer to their question. Those that are stuck count as that. */
function lostRuns(asked: Asked[], runs: RunRow[]): unknown[] {
  const byId = new Map(runs.map((it) => [it.id, it]));
  return asked
    .filter((it) => it.id)
    .flatMap((it): unknown[] => {
      const run = byId.get(it.id as string);
      if (!run) return [{ ...it, why: "no such run" }];
      if (!isFinal(run.state)) return [];
      const right = run.state === "completed" && run.response?.endsWith(`It is about ${it.token}.`);
      const told = !it.end || (it.end.state === run.state && it.end.response === run.response);
      return right && told ? [] : [{ asked: it, run }];
    });
}

/** One question of a caller is one run. */
function runsTwice(asked: Asked[], runs: RunRow[]): string[] {
  const tokens = new Set(asked.map((it) => it.token));
  const seen = new Set<string>();
  return runs.flatMap(({ prompt }) => {
    const token = prompt.split(" ").at(-1) as string;
    if (!tokens.has(token)) return [];
    if (seen.has(token)) return [`the question ${prompt} is two runs`];
    seen.add(token);
    return [];
  });
}

interface MessageRow {
  sessionId: string;
  seq: number;
  runId: string;
  role: string;
  content: { type: string; id?: string; tool_use_id?: string; text?: string }[];
}

/** What the API would refuse, or what was said twice. */
async function brokenConversations(observer: Observer, runs: RunRow[]): Promise<string[]> {
  const messages = await observer.rows<MessageRow>(
    `SELECT session_id AS "sessionId", seq, run_id AS "runId", role, content FROM messages ORDER BY session_id, seq`,
  );
  const bySession = Map.groupBy(messages, (it) => it.sessionId);
  const final = new Map(runs.map((it) => [it.id, it]));
  return [...bySession].flatMap(([session, list]) =>
    brokenConversation(list, final).map((why) => `${session}: ${why}`),
  );
}

function brokenConversation(list: MessageRow[], runs: Map<string, RunRow>): string[] {
  const broken: string[] = [];
  let before: MessageRow | undefined;
  const used = new Set<string>();
  const answers = new Set<string>();
  for (const message of list) {
    const of = (type: string) => message.content.filter((it) => it.type === type);
    // The API takes two questions in a row for one: so it is after a run that did not come to an answer.
    const unanswered = before && runs.get(before.runId)?.state !== "completed" && before.runId !== message.runId;
    if (before ? before.role === message.role && !unanswered : message.role !== "user")
      broken.push(`${message.seq}: roles do not alternate`);
    for (const { id = "" } of of("tool_use")) {
      if (used.has(id)) broken.push(`${message.seq}: tool use ${id} twice`);
      used.add(id);
    }
    const calls = before?.content.filter((it) => it.type === "tool_use").map((it) => it.id) ?? [];
    const results = of("tool_result").map((it) => it.tool_use_id);
    if (calls.length !== results.length || !calls.every((id) => results.includes(id)))
      broken.push(`${message.seq}: calls and results differ`);
    if (message.role === "assistant" && of("tool_use").length === 0) {
      if (answers.has(message.runId)) broken.push(`${message.seq}: a second answer of the run ${message.runId}`);
      answers.add(message.runId);
    }
    before = message;
  }
  const silent = [...new Set(list.map((it) => it.runId))].filter(
    (id) => runs.get(id)?.state === "completed" && !answers.has(id),
  );
  return [...broken, ...silent.map((id) => `the run ${id} has no answer`)];
}

/** An effect that may happen once only, and did more often: under whatever key. */
function effectsTwice({ entries }: Ledger): string[] {
  const notes = Map.groupBy(
    entries.filter((it) => it.kind === "once"),
    (it) => it.note,
  );
  const repeated = [...notes].filter(([, list]) => list.length > 1).map(([note]) => note);
  const again = Map.groupBy(
    entries.filter((it) => it.kind === "again"),
    (it) => it.note,
  );
  const otherKey = [...again].filter(([, list]) => new Set(list.map((it) => it.key)).size > 1).map(([note]) => note);
  return [...repeated, ...otherKey.map((note) => `${note}: repeated under another key`)];
}
