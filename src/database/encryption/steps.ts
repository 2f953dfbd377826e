import type { RunStep } from "../runs/apply-steps.ts";
import { storableText } from "../runs/storable.ts";
import { writeAuditRecord } from "./audit-input.ts";
import type { TranscriptCipher } from "./cipher.ts";
import { writeMessage } from "./messages.ts";
import { executionPlace, runPlace } from "./place.ts";

/** A step with all that was said in it in the form in which it is stored. @throws TranscriptKeyMissing */
export function storedStep(cipher: TranscriptCipher, step: RunStep): object {
  const { run, response, error } = step;
  return {
    ...step,
    messages: storedMessages(cipher, step),
    started: step.started.map((it) => ({
      ...it,
      input: cipher.writeJson(it.input, executionPlace("input", run, it.toolUseId)),
    })),
    finished: step.finished.map((it) => ({
      ...it,
      output: cipher.writeText(storableText(it.output), executionPlace("output", run, it.toolUseId)),
    })),
    children: step.children.map((it) => ({
      ...it,
      prompt: cipher.writeText(storableText(it.prompt), runPlace("prompt", it.id)),
      variables: it.variables ? cipher.writeJson(it.variables, runPlace("variables", it.id)) : null,
    })),
    response: response === null ? null : cipher.writeText(storableText(response), runPlace("response", run)),
    error: error === null ? null : cipher.writeJson(error, runPlace("error", run)),
    audit: step.audit.map((it) => ({ ...it, record: writeAuditRecord(cipher, it.record) })),
  };
}

function storedMessages(cipher: TranscriptCipher, { run, sessionId, messages }: RunStep): object[] {
  if (cipher.encrypts && messages.length > 0 && sessionId === undefined)
    throw new Error("a step with messages to encrypt must name its session");
  return messages.map(({ seq, role, content }) => ({
    seq,
    role,
    content: writeMessage(cipher, { sessionId: sessionId ?? "", runId: run, seq, role, content }),
  }));
}
