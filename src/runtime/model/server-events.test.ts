import fc from "fast-check";
import { expect, test } from "vitest";
import { type ServerEvent, ServerEvents } from "./server-events.ts";

function eventsOf(chunks: Uint8Array[]): ServerEvent[] {
  const events = new ServerEvents();
  return chunks.flatMap((it) => events.push(it));
}
const bytes = (text: string) => Buffer.from(text);

test("fields, comments and lines without a value are read as the standard says", () => {
  const stream = "\uFEFF: hello\n\nevent: a\ndata:x\ndata:  y\nid: 7\n\ndata\n\nevent: b\n\ndata: cut off\n";
  expect(eventsOf([bytes(stream)])).toEqual([
    { event: "a", data: "x\n y" },
    { event: null, data: "" },
    { event: "b", data: "" },
  ]);
});

test("an event whose line grows without an end is refused", () => {
  const events = new ServerEvents();
  const chunk = Buffer.alloc(8 * 1024 * 1024, "x");
  expect(() => Array.from({ length: 5 }, () => events.push(chunk))).toThrow("longer than any answer");
});

test("the same events come out however the bytes are cut into chunks, and whatever ends the lines", () => {
  const value = fc.string({ unit: "grapheme", maxLength: 12 }).map((it) => it.replaceAll(/[\r\n]/g, ""));
  const event = fc.record({ event: value, data: fc.array(value, { minLength: 1, maxLength: 3 }) });
  const ends = fc.constantFrom("\n", "\r\n", "\r");
  const cuts = fc.array(fc.nat(200), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 5 }), ends, cuts, (sent, end, at) => {
      const lines = sent.flatMap((it) => [`event: ${it.event}`, ...it.data.map((data) => `data: ${data}`), ""]);
      const all = bytes(lines.map((it) => it + end).join(""));
      const places = [0, ...at.map((it) => Math.min(it, all.length)), all.length].toSorted((a, b) => a - b);
      const chunks = places.slice(1).map((to, i) => all.subarray(places[i], to));
      expect(eventsOf(chunks)).toEqual(sent.map((it) => ({ event: it.event, data: it.data.join("\n") })));
    }),
  );
});
