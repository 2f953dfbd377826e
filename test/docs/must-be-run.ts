import { verbOf } from "./cluster/kubectl.ts";
import { PROGRAMS_NOT_HERE } from "./not-here.ts";

/** What a kubelet has a part in; a dry run shows nothing of it. */
const OF_PODS = new Set(["wait", "logs", "port-forward", "exec", "attach", "cp"]);

/** Whether a call is tested only when it is run: for others a real API server's, helm's or Postgres' word does. */
export function mustBeRun([program = "", ...words]: readonly string[]): boolean {
  if (["agentpg", "npm", "npx", "curl"].includes(program) || program in PROGRAMS_NOT_HERE) return true;
  if (program !== "kubectl") return false;
  const verb = verbOf(words);
  return OF_PODS.has(verb) || (verb === "rollout" && words.includes("status"));
}
