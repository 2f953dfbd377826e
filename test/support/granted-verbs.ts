import type { Rendered } from "./chart.ts";
import type { Request } from "./convergence/audit-log.ts";

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** One verb on one resource that a role of the chart grants. */
export interface Grant {
  role: string;
  resource: string;
  verb: string;
}

export const describeGrant = ({ role, resource, verb }: Grant): string => `${role}: ${verb} ${resource}`;

export function grantsOf(chart: readonly Rendered[]): Grant[] {
  return chart
    .filter(({ kind }) => kind === "ClusterRole" || kind === "Role")
    .flatMap(({ metadata, rules }) =>
      ((rules ?? []) as Rule[]).flatMap(({ resources = [], verbs }) =>
        resources.flatMap((resource) => verbs.map((verb) => ({ role: metadata.name, resource, verb }))),
      ),
    );
}

/** The verbs that a request needed: an apply that made its object needed two. */
const verbsOf = ({ verb, code }: Request): string[] =>
  verb === "patch" && code === 201 ? ["patch", "create"] : [verb];

/** Those that none of the requests needed. A role counts where `reaches` says that its binding lets the request in. */
export function unusedGrants(
  grants: readonly Grant[],
  requests: readonly Request[],
  reaches: (role: string, request: Request) => boolean,
): Grant[] {
  const done = requests.filter(({ code }) => code < 400);
  const name = ({ resource, subresource }: Request) => (subresource ? `${resource}/${subresource}` : resource);
  return grants.filter(
    ({ role, resource, verb }) =>
      !done.some((it) => name(it) === resource && verbsOf(it).includes(verb) && reaches(role, it)),
  );
}
