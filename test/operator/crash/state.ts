import type { ConnectionSettings } from "../../../src/database/connection.ts";
import type { KubernetesClient } from "../../../src/kubernetes/client.ts";
import { clusterState } from "./cluster-state.ts";
import { databaseState } from "./database-state.ts";

/** Everything there is, by what it is; the same text in two runs that came to the same end. */
export type State = Map<string, string>;

export interface Where {
  client: KubernetesClient;
  /** The operator's database, as a superuser. */
  admin: ConnectionSettings;
  /** The operator's own role in Postgres. */
  role: string;
  /** Of the tenants' names. */
  prefix: string;
}

const TIME = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+\d\d(:\d\d)?)?/g;
const UID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** Names a pair of user and password: as random as they are. */
const REVISION = /("(?:credentialsRevision|revision)":)"[^"]+"/g;

const sorted = (value: unknown, arraysToo: boolean): unknown => {
  if (Array.isArray(value)) {
    const items = value.map((it) => sorted(it, arraysToo));
    return arraysToo ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, it]) => [key, sorted(it, arraysToo)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
};

/** What is random in one run, said in words that another run has too: uids, opaque ids, hashes, times, the tenants' prefix. */
export async function currentState(where: Where): Promise<State> {
  const [cluster, database] = await Promise.all([clusterState(where.client, where.prefix), databaseState(where.admin)]);
  // The cluster's word counts: a row of the registry may name a Tenant that is gone.
  const meanings = new Map([
    ...database.meanings,
    ...cluster.meanings,
    [where.role, "operator"],
    [String(where.admin.port), "5432"],
  ]);
  const random = new RegExp([...meanings.keys()].filter((it) => it !== "").join("|"), "g");
  const plain = (text: string) =>
    text
      .replaceAll(random, (it) => meanings.get(it) ?? it)
      .replaceAll(new RegExp(`\\b${where.prefix}(?=t\\d)`, "g"), "")
      .replaceAll(UID, "uid of what is gone")
      .replaceAll(TIME, "a time")
      .replaceAll(REVISION, '$1"a revision"');
  const state: State = new Map();
  const add = (what: string, is: unknown, inOrder: boolean) =>
    state.set(plain(what), JSON.stringify(sorted(JSON.parse(plain(JSON.stringify(is ?? null))), !inOrder)));
  for (const [what, is] of cluster.objects) add(what, is, true);
  for (const [what, is] of database.objects) add(`Postgres: ${what}`, is, false);
  return state;
}

/** One sentence for each object that is not the same in both. */
export function differences(quiet: State, disturbed: State): string[] {
  const names = [...new Set([...quiet.keys(), ...disturbed.keys()])].toSorted();
  return names.flatMap((name) => {
    const [one, other] = [quiet.get(name), disturbed.get(name)];
    if (one === other) return [];
    if (one === undefined) return [`${name}: must not be there`];
    if (other === undefined) return [`${name}: is missing`];
    return [`${name}: ${firstDifference(one, other)}`];
  });
}

function firstDifference(one: string, other: string): string {
  let at = 0;
  while (one[at] === other[at]) at++;
  const from = Math.max(0, at - 60);
  return `…${one.slice(from, at + 80)}… in a quiet run, …${other.slice(from, at + 80)}… here`;
}
