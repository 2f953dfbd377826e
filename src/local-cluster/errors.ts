/** The local cluster can't be had. The message says what failed and what to do about it. */
export class LocalClusterError extends Error {
  override name = "LocalClusterError";
  /** Waiting any longer can't help: a program that is waited for has ended. */
  readonly fatal: boolean;

  constructor(message: string, options: { cause?: unknown; fatal?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.fatal = options.fatal ?? false;
  }
}
