/** A line on standard output: what a command was asked for. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
