import { ApiError, ApiUnreachable } from "../kubernetes/errors.ts";
import { scrubText } from "../telemetry/scrub.ts";

/** The message of an error, its remedy behind it where the command line knows one. */
export function explainError(error: unknown): string {
  const message = scrubText(error instanceof Error ? error.message : String(error));
  const remedy = remedyFor(error);
  return remedy ? `${message}\n  → ${remedy}` : message;
}

function remedyFor(error: unknown): string | undefined {
  if (error instanceof ApiUnreachable) {
    const cause = error.cause instanceof Error ? ` (${causeOf(error.cause)})` : "";
    return `is the cluster up, and is it the right one?${cause} \`kubectl config current-context\` tells which one is asked; --kubeconfig and --context choose another`;
  }
  if (!(error instanceof ApiError)) return undefined;
  if (error.status === 401) return "the kubeconfig's credentials are not valid any more: log in anew";
  // The message names the verb and the resource.
  if (error.status === 403)
    return "ask who administers the cluster for that right; `kubectl auth can-i --list` shows yours";
  if (error.status === 404 && error.reason !== "NotFound")
    return "this cluster does not know AgentPG's resources: `kubectl apply --server-side -f charts/agentpg/crds/`, or install the chart";
  return undefined;
}

/** The innermost cause says most: `connect ECONNREFUSED 127.0.0.1:6443`. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? causeOf(error.cause) : scrubText(error.message);
}
