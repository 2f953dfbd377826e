import { type Message, type Tokens, tokensInAll } from "../../database/runs/run.ts";
import { atMost, estimateMessage } from "./size.ts";

/** How full the context of one run is: what the API has said of it, and an estimate of what has come since. */
export class ContextGauge {
  /** System prompt, tools and the first `messages` messages are so many tokens. */
  #known: { tokens: number; messages: number } | undefined;
  /** Below that there is nothing to gain by compacting once more. */
  quietUntil = 0;

  /** @param messages how many went to the model; its answer is the next one */
  answered(tokens: Tokens, messages: number): void {
    this.#known = { tokens: tokensInAll(tokens), messages: messages + 1 };
  }

  counted(tokens: number, messages: number): void {
    this.#known = { tokens, messages };
  }

  /** The conversation is another one now. */
  forget(): void {
    this.#known = undefined;
  }

  /** @param fixed about how many tokens the system prompt and the tools are */
  read(messages: readonly Message[], fixed: () => number): { tokens: number; atMost: number; exact: boolean } {
    const known = this.#known && this.#known.messages <= messages.length ? this.#known : undefined;
    let added = known ? 0 : fixed();
    for (let i = known?.messages ?? 0; i < messages.length; i++) added += estimateMessage(messages[i] as Message);
    const base = known?.tokens ?? 0;
    return { tokens: base + added, atMost: base + atMost(added), exact: added === 0 };
  }
}
