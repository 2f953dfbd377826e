const NEWLINE = 0x0a;

/** The lines of a stream of UTF-8, the last one too if nothing ends it. A line is what `\n` ends, nothing else: JSON may hold other separators. */
export async function* textLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let begun: Buffer[] = []; // of a line that goes on in the next chunk; decoded whole, for a character may be cut in two
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = begun.length > 0 ? Buffer.concat([...begun, chunk.subarray(from, end)]) : chunk.subarray(from, end);
      begun = [];
      from = end + 1;
      yield line.toString();
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
  if (begun.length > 0) yield Buffer.concat(begun).toString();
}
