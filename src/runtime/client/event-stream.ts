import type { RunEvent } from "./types.ts";

/** Events of a stream, as they come. Comments are left out. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<RunEvent> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const field = (name: string) => lines.find((it) => it.startsWith(`${name}: `))?.slice(name.length + 2);
      const [type, data] = [field("event"), field("data")];
      if (type && data) yield { type, data: JSON.parse(data), id: field("id") ?? "" } as RunEvent;
    }
  }
}

export type FinalEvent = Extract<RunEvent, { type: "run.completed" | "run.failed" | "run.cancelled" }>;

export const isFinal = (event: RunEvent): event is FinalEvent =>
  event.type === "run.completed" || event.type === "run.failed" || event.type === "run.cancelled";
