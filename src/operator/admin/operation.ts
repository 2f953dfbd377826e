import type { z } from "zod";

/** What an operation has of the call that started it. */
export interface OperationContext {
  /** Sends one line of the answer, as JSON. Waits while the caller reads slowly. @throws when the caller is gone */
  emit(line: object): Promise<void>;
  /** Aborts when the caller is gone or the operator ends. What was committed by then stays. */
  signal: AbortSignal;
}

/** Something that an administrator asks the leading operator to do: `POST /v1/operations/<name>`. */
export interface AdminOperation {
  /** Lower-case words joined by hyphens. */
  name: string;
  /** What the body has to be; what does not fit is answered with 400 and the field. */
  input: z.ZodType;
  /**
   * Does it. May be called several times at once, on the leader only. Throw {@link OperationRefused} or a DatabaseError to tell
   * the caller why it did not work; of any other error the caller learns only that there was one.
   */
  run(input: unknown, context: OperationContext): Promise<void>;
}

/** An operation whose `run` has the type of its input. */
export const adminOperation = <Schema extends z.ZodType>(operation: {
  name: string;
  input: Schema;
  run(input: z.output<Schema>, context: OperationContext): Promise<void>;
}): AdminOperation => operation;

/** What was asked cannot be done; the message says why and what to do, and goes to the caller. */
export class OperationRefused extends Error {
  override readonly name = "OperationRefused";
  /** In CamelCase, as the reasons of conditions are. */
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
