import type { Agent } from "../../api/agent.ts";
import type { ConditionInput } from "../../kubernetes/conditions.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { deploymentStatus, isRolledOut } from "../rollout.ts";
import { CONFIGURATION_REFUSED } from "./start-problem.ts";
import type { Problem } from "./validate.ts";
import { workspaceWarning } from "./workspace-problem.ts";

/** What the status of an Agent is made of. */
export interface AgentFacts {
  agent: Agent;
  /** What is wrong with the Agent as written. */
  problem: Problem | undefined;
  /** What is wrong with the tenant's credentials. */
  credentials: Problem | undefined;
  deployment: KubernetesObject | undefined;
  /** What the pods say of themselves: a model that does not exist, a key that is refused. */
  podProblem: Problem | undefined;
  /** Why pods do not start, as their containers say. */
  startProblem: Problem | undefined;
}

const condition = (
  type: string,
  status: "True" | "False" | "Unknown",
  reason: string,
  message: string,
): ConditionInput => ({ type, status, reason, message });

function available({ agent, deployment }: AgentFacts): ConditionInput {
  if (!deployment)
    return condition("Available", "False", "NoPods", "no pods yet: see ConfigurationValid and CredentialsReady");
  const { readyReplicas = 0 } = deploymentStatus(deployment);
  if (agent.spec.replicas === 0)
    return condition(
      "Available",
      "True",
      "ScaledToZero",
      "spec.replicas is 0: no pod runs, runs wait until it is scaled up",
    );
  if (readyReplicas > 0)
    return condition("Available", "True", "PodsReady", `${readyReplicas} of ${agent.spec.replicas} pods answer`);
  return condition("Available", "False", "NoPodReady", "no pod is ready yet");
}

function progressing({ agent, deployment, startProblem }: AgentFacts): ConditionInput {
  if (!deployment) return condition("Progressing", "False", "Waiting", "nothing is rolled out");
  const { updatedReplicas = 0, readyReplicas = 0, conditions = [] } = deploymentStatus(deployment);
  const wanted = agent.spec.replicas;
  if (isRolledOut(deployment, wanted)) {
    return condition("Progressing", "False", "RolledOut", "all pods run the current configuration");
  }
  if (startProblem) return condition("Progressing", "False", startProblem.reason, startProblem.message);
  const failure = conditions.find((it) => it.type === "ReplicaFailure" && it.status === "True");
  if (failure)
    return condition(
      "Progressing",
      "False",
      "PodsRefused",
      `pods are refused (${failure.message ?? failure.reason ?? "no reason given"}): raise the Tenant's quota, or ask for less`,
    );
  const stuck = conditions.find((it) => it.type === "Progressing" && it.reason === "ProgressDeadlineExceeded");
  if (stuck)
    return condition(
      "Progressing",
      "False",
      "RolloutStuck",
      `new pods do not become ready${readyReplicas > 0 ? "; the old ones keep serving" : ""}. Look at \`kubectl describe pod\` and \`kubectl logs\` of the newest pod`,
    );
  return condition(
    "Progressing",
    "True",
    "RollingOut",
    `${updatedReplicas} of ${wanted} pods run the current configuration`,
  );
}

function warned(agent: Agent): string {
  const warning = workspaceWarning(agent);
  return warning === undefined ? "the configuration can run" : `the configuration can run, but ${warning}`;
}

/** Reasons of Progressing that say why there is no pod to answer. */
const HINDRANCES: ReadonlySet<string> = new Set(["PodsRefused", "RolloutStuck"]);

function readyCondition(culprit: ConditionInput | undefined, { reason, message }: ConditionInput): ConditionInput {
  if (culprit) return condition("Ready", "False", culprit.reason, culprit.message);
  if (reason === "ScaledToZero") return condition("Ready", "True", reason, message);
  return condition("Ready", "True", "Ready", "pods answer and the configuration is valid");
}

/** The conditions of an Agent. */
export function agentConditions(facts: AgentFacts): ConditionInput[] {
  const keyRefused = facts.podProblem?.reason.startsWith("Key") ? facts.podProblem : undefined;
  const refused = facts.startProblem?.reason === CONFIGURATION_REFUSED ? facts.startProblem : undefined;
  const invalid = facts.problem ?? refused ?? (keyRefused ? undefined : facts.podProblem);
  const lacking = facts.credentials ?? keyRefused;
  const configuration = invalid
    ? condition("ConfigurationValid", "False", invalid.reason, invalid.message)
    : condition("ConfigurationValid", "True", "Valid", warned(facts.agent));
  const credentials = lacking
    ? condition("CredentialsReady", "False", lacking.reason, lacking.message)
    : condition("CredentialsReady", "True", "Published", "API key and database login are there");
  const list = [available(facts), progressing(facts), configuration, credentials];
  const [availability, progress] = list as [ConditionInput, ConditionInput];
  const hindered = facts.startProblem !== undefined || HINDRANCES.has(progress.reason);
  const culprit =
    [configuration, credentials].find((it) => it.status !== "True") ??
    (availability.status === "True" ? undefined : hindered ? progress : availability);
  return [readyCondition(culprit, availability), ...list];
}
