import { join } from "node:path";
import { type Component, failIfEnded, logTail, startComponent } from "../component.ts";
import { LocalClusterError } from "../errors.ts";
import { identify, type ProcessIdentity } from "../process-identity.ts";
import { until } from "../wait.ts";
import { inNode, nodeEnvironment } from "./node-namespaces.ts";

/** A cluster on its way up: the programs started so far, and how to wait without missing that one of them has ended. */
export interface Ascent {
  /** Starts one of the tools in the node; one of the control plane stays in the machine's network. */
  start(name: string, args: string[], options?: { network?: "host"; env?: Record<string, string> }): void;
  /** Waits for an answer other than false. A failure shows the end of the log of the program that `owes` the answer. */
  until(what: string, owes: string, seconds: number, ask: () => Promise<unknown>): Promise<void>;
  identities(): Promise<Record<string, ProcessIdentity>>;
}

export function ascent(folder: string, node: ProcessIdentity, signal?: AbortSignal): Ascent {
  const components: Component[] = [];
  return {
    start(name, args, options = {}) {
      const [command, commandArgs] = inNode(node, [`/run/bin/${name}`, ...args], options.network);
      const logFile = join(folder, "log", `${name}.log`);
      const env = { ...nodeEnvironment, ...options.env };
      components.push(startComponent(name, command, commandArgs, { logFile, env, detached: true }));
    },
    async until(what, owes, seconds, ask) {
      const attempt = async () => {
        for (const component of components) await failIfEnded(component);
        return (await ask()) === false ? undefined : true;
      };
      try {
        await until(what, attempt, { seconds, signal });
      } catch (error) {
        const component = components.find(({ name }) => name === owes);
        if (!(error instanceof LocalClusterError) || error.fatal || !component) throw error;
        const text = `${error.message}\nthe end of ${component.logFile}:\n${await logTail(component)}`;
        throw new LocalClusterError(text, { cause: error, fatal: true });
      }
    },
    async identities() {
      const found: Record<string, ProcessIdentity> = {};
      for (const { name, child } of components) {
        const identity = child.pid === undefined ? undefined : await identify(child.pid);
        if (identity) found[name] = identity;
      }
      return found;
    },
  };
}
