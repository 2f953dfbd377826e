import { createInterface } from "node:readline/promises";
import { type Progress, terminalProgress } from "../telemetry/progress.ts";
import { callOperator, kubernetesUser, type OperatorAccess } from "./operator-access.ts";

export interface EraseOptions {
  tenant?: string;
  session?: string;
  user?: string;
  retained?: string;
  confirm?: string;
  dryRun?: boolean;
  yes?: boolean;
  /** It is no mistake when there is nothing to erase. */
  allowEmpty?: boolean;
  /** Seconds that runs get to end in good order. */
  wait?: number;
}

type Line = Record<string, unknown>;

/** What the command needs of the world: the operator, and a person who can say yes. */
export interface EraseWorld {
  ask(operation: string, input: object): AsyncIterable<Line>;
  /** The user that asks, for the audit log. */
  user(): Promise<string | undefined>;
  /** undefined: there is nobody to be asked. */
  confirm: ((question: string) => Promise<boolean>) | undefined;
  progress: Progress;
  print(text: string): void;
}

/** `agentpg erase`. Gives the exit code: 0 when all is gone (or was counted), 1 when not. */
export async function erase(options: EraseOptions & OperatorAccess): Promise<number> {
  return eraseIn(
    {
      ask: (operation, input) => callOperator(options, operation, input),
      user: () => kubernetesUser(options),
      confirm: process.stdin.isTTY ? confirmAtTerminal : undefined,
      progress: terminalProgress(),
      print: (text) => process.stdout.write(`${text}\n`),
    },
    options,
  );
}

export function eraseIn(world: EraseWorld, options: EraseOptions): Promise<number> {
  if (options.retained !== undefined) return purge(world, options.retained, options);
  const { tenant } = options;
  if (tenant === undefined)
    throw new Error("name whose data: --tenant with --session or --user, or --retained for what a deleted Tenant left");
  if (options.session === undefined && options.user === undefined)
    throw new Error(
      `name what to erase: --session or --user. All of Tenant ${tenant} goes with it: ` +
        `kubectl patch tenant ${tenant} --type merge -p '{"spec":{"deletionPolicy":"Delete"}}' && kubectl delete tenant ${tenant}`,
    );
  return eraseSubject(world, tenant, options);
}

async function purge({ ask, print }: EraseWorld, retained: string, { confirm }: EraseOptions): Promise<number> {
  if (confirm !== retained)
    throw new Error(`--confirm ${retained} is needed: what the deleted Tenant left cannot be brought back`);
  for await (const line of ask("purge-retained", { retained, confirm })) print(JSON.stringify(line));
  return 0;
}

async function eraseSubject(world: EraseWorld, tenant: string, options: EraseOptions): Promise<number> {
  const { session, user, wait } = options;
  const what = session === undefined ? `user ${user}` : `session ${session}`;
  const subject = { tenant, ...(session === undefined ? {} : { session }), ...(user === undefined ? {} : { user }) };
  const counted = await last(world.ask("erase", { ...subject, dryRun: true }), "found");
  world.progress.note(`Tenant ${tenant}, ${what}: ${counted["atLeast"] ? "at least " : ""}${inWords(counted)}`);
  if (options.dryRun) {
    world.print(JSON.stringify({ found: counted }));
    return 0;
  }
  if (!options.allowEmpty && isNothing(counted)) throw new Error(nothingOf(tenant, options));
  if (!options.yes && !(await agreed(world, `Erase ${what} of Tenant ${tenant}? It cannot be brought back.`))) return 1;
  const by = await world.user();
  const input = { ...subject, ...(by ? { by } : {}), ...(wait === undefined ? {} : { waitSeconds: wait }) };
  const erased = await world.progress.step(`erase ${what}`, (detail) =>
    last(world.ask("erase", input), "erased", (line) => detail(describe(line["progress"] as Line))),
  );
  world.print(JSON.stringify({ erased }));
  const left = Number(erased["sessionsLeft"]);
  if (left === 0) return 0;
  world.progress.note(
    `${left} sessions were begun meanwhile: keep the user out at your identity provider, and run this again`,
  );
  return 1;
}

/** What to do about a person, or a session, that the Tenant does not know: a slip of the pen must not pass for an erasure. */
function nothingOf(tenant: string, { session, user }: EraseOptions): string {
  const nothing = `nothing was erased: Tenant ${tenant} has nothing of ${session === undefined ? `user ${user}` : `session ${session}`}`;
  const ids =
    session === undefined
      ? "A user's id is the `sub` of the token; that of a service account is system:serviceaccount:NAMESPACE:NAME"
      : "A session's id is a UUID, as `agentpg sessions` lists them";
  return `${nothing}. ${ids}. If there may be nothing: --allow-empty`;
}

async function agreed({ confirm, progress }: EraseWorld, question: string): Promise<boolean> {
  if (!confirm) throw new Error("nothing was erased: there is no terminal to confirm at; pass --yes");
  const yes = await confirm(question);
  if (!yes) progress.note("nothing was erased");
  return yes;
}

/** The value of the line that has `field`; `others` hears of the lines before it. @throws when there is none */
async function last(lines: AsyncIterable<Line>, field: string, others: (line: Line) => void = () => {}): Promise<Line> {
  let found: Line | undefined;
  for await (const line of lines) {
    if (field in line) found = line[field] as Line;
    else others(line);
  }
  if (!found) throw new Error("the operator gave no result: is its version the same as this command's?");
  return found;
}

const WORDS: Record<string, string> = {
  sessions: "sessions",
  runs: "runs",
  openRuns: "of them under way",
  messages: "messages",
  toolExecutions: "tool calls",
  archivedMessages: "archived messages",
  auditRows: "audit lines to be emptied",
};

const isNothing = (counts: Line): boolean => Object.keys(WORDS).every((kind) => !counts[kind]);

const inWords = (counts: Line): string =>
  Object.entries(WORDS)
    .filter(([kind]) => counts[kind])
    .map(([kind, words]) => `${String(counts[kind])} ${words}`)
    .join(", ") || "nothing is there";

function describe(progress: Line | undefined): string {
  if (progress?.["stage"] === "waiting") return `waiting for ${String(progress["runs"])} runs to end`;
  if (progress?.["stage"] === "rows") return `${String(progress["sessionsLeft"])} sessions left`;
  if (progress?.["stage"] === "audit") return `audit log: ${String(progress["looked"])} lines looked at`;
  return "";
}

async function confirmAtTerminal(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
