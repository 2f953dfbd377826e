import { z } from "zod";

const NAME = "[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?";
const KEY = `(?:${NAME}/)?${NAME}`;
const VALUE = `(?:${NAME})?`;
const REQUIREMENT = [
  `!\\s*${KEY}`,
  `${KEY}\\s+(?:in|notin)\\s*\\(\\s*${VALUE}(?:\\s*,\\s*${VALUE})*\\s*\\)`,
  `${KEY}(?:\\s*(?:==|=|!=)\\s*${VALUE})?`,
].join("|");
const SELECTOR = new RegExp(`^\\s*(?:${REQUIREMENT})(?:\\s*,\\s*(?:${REQUIREMENT}))*\\s*$`);

/** A label selector as `kubectl -l` takes it; empty: all. */
export const labelSelector = z
  .string()
  .max(1000)
  .refine((it) => it === "" || SELECTOR.test(it), {
    error: 'must be a label selector as kubectl -l takes it, such as "team=blue" or "team notin (blue, green)"',
  });

/** Tells the operators of one cluster apart: part of the name of a Lease. */
export const instanceName = z
  .string()
  .regex(
    /^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/,
    "must be a name of lower-case letters, digits and hyphens, 40 at most",
  );

/** Which operator this is, among several of a cluster. */
export interface Scope {
  namespace: string;
  instance?: string | undefined;
}

/** How this operator is named in `status.operator` of its Tenants; undefined for the one without an instance name. */
export const operatorOf = ({ namespace, instance }: Scope): string | undefined =>
  instance === undefined ? undefined : `${namespace}/${instance}`;

/** What tells this operator apart in a database that it shares with others, of this cluster or of another. */
export function claimantOf(clusterUid: string, scope: Scope): string {
  const operator = operatorOf(scope);
  return operator === undefined ? clusterUid : `${clusterUid}/${operator}`;
}
