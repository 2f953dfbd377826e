/**
 * Progress of long work for a person at a terminal: one line a step, with the time since the start.
 * A step that takes long shows a counter of its seconds (on a terminal only, so logs stay short).
 */
export interface Progress {
  /** Says that something is done or decided. */
  note(text: string): void;
  /** Runs `work` as a named step; its line shows how long it took, or that it failed. `detail` replaces the text shown while it runs. */
  step<T>(name: string, work: (detail: (text: string) => void) => Promise<T>): Promise<T>;
}

const seconds = (ms: number): string => (ms < 9_950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);

/** Progress on a stream, standard error unless told. `quietAfterMs` is the time between reminders where the stream is no terminal. */
export function terminalProgress(out: NodeJS.WriteStream = process.stderr, quietAfterMs = 15_000): Progress {
  const started = Date.now();
  const clock = () => `[${seconds(Date.now() - started).padStart(6)}]`;
  const line = (text: string) => out.write(`${out.isTTY ? "\r\x1b[2K" : ""}${clock()} ${text}\n`);
  return {
    note: line,
    async step(name, work) {
      const begun = Date.now();
      let doing = "";
      const elapsed = () => seconds(Date.now() - begun);
      const timer = setInterval(
        () => {
          const text = `${clock()} ${name} … ${doing ? `${doing} ` : ""}(${elapsed()})`;
          out.write(out.isTTY ? `\r\x1b[2K${text.slice(0, (out.columns || 80) - 1)}` : `${text}\n`);
        },
        out.isTTY ? 500 : quietAfterMs,
      );
      try {
        const result = await work((text) => (doing = text));
        line(`✓ ${name} (${elapsed()})`);
        return result;
      } catch (error) {
        line(`✗ ${name} (${elapsed()})`);
        throw error;
      } finally {
        clearInterval(timer);
      }
    },
  };
}

/** Progress that says nothing: for tests and libraries. */
export const silentProgress: Progress = { note: () => {}, step: (_name, work) => work(() => {}) };
