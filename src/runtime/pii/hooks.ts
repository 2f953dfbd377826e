import type { Hook, Verdict } from "../hooks/hook.ts";
import type { Finding, PiiCounts } from "./finding.ts";
import { asAnnotations, isClean, kindsIn, type Protection } from "./protection.ts";

/** Positions that a refusal names. */
const MOST_NAMED = 10;

/** Kinds and places, never values. */
export function whereOf(findings: readonly Finding[]): string {
  const named = findings.slice(0, MOST_NAMED).map(({ kind, start, end }) => `${kind} at ${start} to ${end}`);
  const more = findings.length - named.length;
  return `${named.join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

function verdictOn<Change>(
  protection: Protection,
  counts: PiiCounts,
  change: Change,
  where: () => string,
): Verdict<Change> {
  if (isClean(counts)) return undefined;
  const annotations = asAnnotations(counts);
  if (protection.policy === "Redact") return { action: "change", annotations, ...change };
  return { action: "block", annotations, reason: `it holds personal data, which this agent does not take: ${where()}` };
}

const base = { name: "pii", onFailure: "Block", timeoutSeconds: 10, readsOnly: true } as const;

/** The policy on questions, tasks for other agents, and results of tools. */
const always = (protection: Protection): Hook => ({
  ...base,
  beforeMessage({ text }) {
    const { value, counts } = protection.text(text);
    return verdictOn(protection, counts, { text: value }, () => whereOf(protection.findings(text)));
  },
  afterToolCall({ outcome }) {
    const { value, counts } = protection.outcome(outcome);
    if (isClean(counts)) return undefined;
    return { action: "change", outcome: value, annotations: asAnnotations(counts) };
  },
});

/** The policy on what hooks of others may bring in: the model's own words and calls are looked at before any hook sees them. */
const afterOthers = (protection: Protection, others: readonly Hook[]): Hook => ({
  ...always(protection),
  ...(others.some((it) => it.afterMessage) && {
    afterMessage({ content }) {
      const { value, counts } = protection.answer(content);
      return verdictOn(protection, counts, { content: value }, () => kindsIn(counts));
    },
  }),
  ...(others.some((it) => it.beforeToolCall) && {
    beforeToolCall({ input }) {
      const { value, counts } = protection.json(input);
      return verdictOn(protection, counts, { input: value }, () => kindsIn(counts));
    },
  }),
});

/** The agent's hooks with the policy before them, so that they see nothing that it keeps away, and behind them, so that they add nothing. */
export function withProtection(protection: Protection | undefined, others: readonly Hook[]): Hook[] {
  if (!protection) return [...others];
  return others.length ? [always(protection), ...others, afterOthers(protection, others)] : [always(protection)];
}
