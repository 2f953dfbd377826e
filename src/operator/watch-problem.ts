import { GROUP } from "../api/resource.ts";
import { ApiError, isNotFound } from "../kubernetes/errors.ts";
import type { ResourceKind } from "../kubernetes/resource-kind.ts";

/** What a list-watch cannot get over by trying again, and what to do; undefined for what passes by itself. */
export function watchProblem(kind: ResourceKind, error: unknown): string | undefined {
  const { kind: name, plural, apiVersion } = kind;
  // A list of no objects is an empty list: only an unknown kind is not found.
  if (isNotFound(error) && apiVersion.startsWith(`${GROUP}/`))
    return `this cluster has no CustomResourceDefinition of ${name} ${apiVersion}: install those of this version with \`kubectl apply --server-side -f charts/agentpg/crds/\`; the operator then goes on by itself`;
  if (isNotFound(error))
    return `this API server knows no ${name} ${apiVersion}: the operator needs Kubernetes 1.31 or newer`;
  // The API server's own words, in `err`, name the account, the verb and the resource.
  if (error instanceof ApiError && error.status === 403)
    return `the operator's service account may not list and watch ${plural}: its ClusterRole is not this version's or is not bound, \`helm upgrade\` the release with this version's chart`;
  return undefined;
}
