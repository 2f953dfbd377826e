import type { ContentBlock } from "../../database/runs/run.ts";
import type { CallToCheck, Hook, Hooks, MessageToCheck, ResultToCheck } from "./hook.ts";
import { type HooksHost, Place, type Round } from "./place.ts";
import { changedContent, changedInput, changedOutcome, changedText } from "./verdict.ts";

// Hooks of others get copies: what they write into them counts only when they say so.

const MESSAGE: Round<MessageToCheck> = {
  copy: (message) => ({ ...message }),
  ask: (hook, message, context) => hook.beforeMessage?.(message, context),
  take(change, message) {
    const text = changedText(change.text);
    return text === message.text ? message : { ...message, text };
  },
};

const ANSWER: Round<ContentBlock[]> = {
  copy: (it) => structuredClone(it),
  ask: (hook, content, context) => hook.afterMessage?.({ content }, context),
  take: (change, content) => changedContent(change.content, content),
};

const CALL: Round<CallToCheck> = {
  copy: (it) => structuredClone(it),
  ask: (hook, call, context) => hook.beforeToolCall?.(call, context),
  take: (change, call) => ({ ...call, input: changedInput(change.input) }),
};

const RESULT: Round<ResultToCheck> = {
  copy: (it) => structuredClone(it),
  ask: (hook, result, context) => hook.afterToolCall?.(result, context),
  take: (change, result) => ({ ...result, outcome: changedOutcome(change.outcome) }),
};

/** The hooks, ready to be called; places that no hook looks at stay undefined. */
export function createHooks(hooks: readonly Hook[], host: HooksHost): Hooks {
  const place = <T>(point: "beforeMessage" | "afterMessage" | "beforeToolCall" | "afterToolCall", round: Round<T>) => {
    const here = hooks.filter((it) => it[point]);
    return here.length ? new Place(here, round, host) : undefined;
  };
  const message = place("beforeMessage", MESSAGE);
  const answer = place("afterMessage", ANSWER);
  const call = place("beforeToolCall", CALL);
  const result = place("afterToolCall", RESULT);
  return {
    ...(message && { beforeMessage: (it, where) => message.judge(it, where) }),
    ...(answer && { afterMessage: (it, where) => answer.judge(it, where) }),
    ...(call && { beforeToolCall: (it, where) => call.judge(it, where) }),
    ...(result && { afterToolCall: (it, where) => result.judge(it, where) }),
  } satisfies Hooks;
}
