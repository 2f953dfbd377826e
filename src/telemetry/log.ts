import { pino, type Logger as PinoLogger } from "pino";
import { scrub } from "./scrub.ts";

export type Logger = Pick<PinoLogger, "trace" | "debug" | "info" | "warn" | "error" | "fatal"> & {
  child(bindings: Record<string, unknown>): Logger;
};

/** An error as data: name, code, message, causes; no stack in production, nothing of a connection string or key. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return scrub(error);
  const { code, cause } = error as Error & { code?: unknown };
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    message: scrub(error.message),
    ...(cause === undefined || depth > 4 ? {} : { cause: describeError(cause, depth + 1) }),
  };
}

/**
 * JSON logs on standard output. Everything that is logged passes the scrubber, at any depth, the message text included.
 * @param level a pino level, `info` unless told
 */
export function createLogger(name: string, level = "info", destination?: { write(line: string): void }): Logger {
  const options = {
    name,
    level,
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: (error: unknown) => describeError(error), error: (error: unknown) => describeError(error) },
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) =>
        Object.fromEntries(
          Object.entries(fields).map(([key, value]) => [
            key,
            value instanceof Error ? describeError(value) : scrub(value, key),
          ]),
        ),
    },
    hooks: {
      logMethod(this: PinoLogger, args: unknown[], method: (...all: unknown[]) => void) {
        method.apply(
          this,
          args.map((arg) => (typeof arg === "string" ? scrub(arg) : arg)),
        );
      },
    },
  };
  return destination ? pino(options as never, destination) : pino(options as never);
}

/** A logger that writes nothing. */
export const silentLogger: Logger = pino({ level: "silent" });
