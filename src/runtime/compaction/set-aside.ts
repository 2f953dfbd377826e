import type { Compacted } from "./plan.ts";
import { type Entry, questionOf } from "./protect.ts";
import { withoutOutputs } from "./prune.ts";
import { bytesOf } from "./size.ts";

/** A question up to this many bytes stays. */
const SHORT_BYTES = 2000;

function withoutQuestion(entry: Entry): Entry | undefined {
  const bytes = bytesOf(entry.content);
  if (bytes <= SHORT_BYTES) return undefined;
  const text = `[question removed: ${bytes} bytes; it did not fit into the conversation and was not answered]`;
  return { ...entry, content: [{ type: "text", text }] };
}

/** The conversation without the long question and tool outputs of a run that failed for them: the questions after it must fit. */
export function setAside(entries: readonly Entry[], run: string): Compacted {
  const question = questionOf(entries, run);
  const shorter = entries.map((it, i) => {
    if (it.runId !== run) return it;
    return (i === question ? withoutQuestion(it) : withoutOutputs(it)) ?? it;
  });
  return { entries: shorter, changed: shorter.filter((it, i) => it !== entries[i]), removed: [] };
}
