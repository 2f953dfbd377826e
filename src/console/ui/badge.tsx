import type { JSX } from "preact";
import { words } from "../format.ts";

export type Tone = "good" | "bad" | "warn" | "plain" | "busy";

/** A word about a state: colour is never all that says it. */
export function Badge({ tone, text }: { tone: Tone; text: string }): JSX.Element {
  return <span class={`badge ${tone}`}>{text}</span>;
}

export const readyTone = (status: "True" | "False" | "Unknown"): Tone =>
  status === "True" ? "good" : status === "False" ? "bad" : "warn";

export const readyWord = (status: "True" | "False" | "Unknown"): string =>
  status === "True" ? "Ready" : status === "False" ? "Not ready" : "Unknown";

const RUN_TONES: Record<string, Tone> = {
  completed: "good",
  failed: "bad",
  cancelled: "plain",
  running: "busy",
  awaiting_approval: "warn",
};

export const RunState = ({ state }: { state: string }): JSX.Element => (
  <Badge tone={RUN_TONES[state] ?? "plain"} text={words(state)} />
);
