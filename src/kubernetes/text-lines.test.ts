import fc from "fast-check";
import { expect, test } from "vitest";
import { textLines } from "./text-lines.ts";

async function* cut(bytes: Buffer, lengths: number[]): AsyncGenerator<Buffer> {
  for (const length of [...lengths, bytes.length]) {
    yield bytes.subarray(0, length);
    bytes = bytes.subarray(length);
  }
}

const all = async (bytes: Buffer, lengths: number[] = []) => {
  const found: string[] = [];
  for await (const it of textLines(cut(bytes, lengths))) found.push(it);
  return found;
};

test("lines arrive whole wherever the stream is cut, in the middle of a character too", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.json({ stringUnit: "grapheme" })), fc.array(fc.nat(20)), async (lines, lengths) => {
      expect(await all(Buffer.from(lines.map((it) => `${it}\n`).join("")), lengths)).toEqual(lines);
    }),
  );
  expect(await all(Buffer.from("größer\n"), [3, 1, 1])).toEqual(["größer"]);
});

test("a line that nothing ends is one too; separators that JSON may hold end none", async () => {
  expect(await all(Buffer.from('"a\u2028b"\r\n\nlast'))).toEqual(['"a\u2028b"\r', "", "last"]);
});
