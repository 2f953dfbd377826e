import type { AgentClient } from "../runtime/client.ts";

/** Where Ctrl-C is heard: the terminal, or the process when there is none. */
export interface Interrupts {
  on(event: "SIGINT", listener: () => void): unknown;
  off(event: "SIGINT", listener: () => void): unknown;
}

/**
 * Works on one answer. The first Ctrl-C cancels its run, which then ends as cancelled; the second ends the program.
 * @param work tells what the run is called
 */
export async function untilInterrupted<T>(
  agent: Pick<AgentClient, "cancel">,
  interrupts: Interrupts,
  work: (onRun: (runId: string) => void) => Promise<T>,
): Promise<T> {
  let run: string | undefined;
  let interrupted = false;
  const cancel = () => {
    if (run === undefined) return;
    agent.cancel(run).catch((error: Error) => process.stderr.write(`\nit could not be cancelled: ${error.message}\n`));
  };
  const interrupt = () => {
    if (interrupted) process.exit(130);
    interrupted = true;
    process.stderr.write("\n[cancelling; once more to leave]\n");
    cancel();
  };
  interrupts.on("SIGINT", interrupt);
  try {
    return await work((runId) => {
      const known = run !== undefined;
      run = runId;
      if (interrupted && !known) cancel();
    });
  } finally {
    interrupts.off("SIGINT", interrupt);
  }
}
