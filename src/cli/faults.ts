import { text } from "node:stream/consumers";
import { type Command, CommanderError } from "commander";

const withSubcommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withSubcommands)];

/** Ends with an error that is none: what was asked for was shown. */
const SHOWN = new Set(["commander.help", "commander.helpDisplayed", "commander.version"]);

/** What the command line says to each of the commands, given as their words; null: it would run it. Nothing is run any more. */
async function faultsOf(program: Command, commands: readonly (readonly string[])[]): Promise<(string | null)[]> {
  for (const it of withSubcommands(program)) {
    it.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
    if (it.commands.length === 0) it.action(() => undefined);
  }
  const faults: (string | null)[] = [];
  for (const words of commands)
    faults.push(
      await program.parseAsync([...words], { from: "user" }).then(
        () => null,
        (error: unknown) => {
          if (!(error instanceof CommanderError)) throw error;
          return SHOWN.has(error.code) ? null : error.message;
        },
      ),
    );
  return faults;
}

/** Reads commands (JSON: a list of lists of words) from standard input; the documentation's tests ask. */
export async function showFaults(program: Command): Promise<void> {
  const commands = JSON.parse(await text(process.stdin)) as string[][];
  process.stdout.write(JSON.stringify(await faultsOf(program, commands)));
}
