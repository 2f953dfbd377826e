import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt, decodeProtectedHeader, importPKCS8, SignJWT } from "jose";
import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { clientOptions } from "../../src/database/connection.ts";
import * as kinds from "../../src/kubernetes/resource-kind.ts";
import type { ResourceKind } from "../../src/kubernetes/resource-kind.ts";
import { AGENT, TENANT } from "../../src/operator/caches.ts";
import { FINALIZER } from "../../src/operator/labels.ts";
import { anAgent, aTenant, aTool } from "../support/builders.ts";
import { changedAnObject, listedAll, type Request } from "../support/convergence/audit-log.ts";
import { problems } from "../support/convergence/problems.ts";
import { type ConvergenceWorld, type Member, startConvergenceWorld, TIMES } from "../support/convergence/world.ts";
import { workedOff } from "../support/convergence/worked-off.ts";
import { writesDuring } from "../support/convergence/writes.ts";
import { installDefinitions } from "../support/custom-resources.ts";
import { eventually } from "../support/eventually.ts";
import { holdUp } from "../support/gate.ts";
import type { Conditioned, OperatorHarness } from "../support/operator-harness.ts";

// Two operators that share a cluster, through everything that happens to clusters. Each test ends as it began: with all as the
// Tenants and Agents say, one of the two leading, and the audit log telling what that took.

const flowControl = (kind: string, plural: string): ResourceKind => ({
  apiVersion: "flowcontrol.apiserver.k8s.io/v1",
  kind,
  plural,
  namespaced: false,
});
const PRIORITY_LEVEL = flowControl("PriorityLevelConfiguration", "prioritylevelconfigurations");
const FLOW_SCHEMA = flowControl("FlowSchema", "flowschemas");

/** A priority level that lets nothing through. */
const jail = (shares: number) => ({
  metadata: { name: "operators" },
  spec: {
    type: "Limited",
    limited: {
      nominalConcurrencyShares: shares,
      lendablePercent: 0,
      borrowingLimitPercent: 0,
      limitResponse: { type: "Reject" },
    },
  },
});
const flowOfOperators = () => ({
  metadata: { name: "operators" },
  spec: {
    priorityLevelConfiguration: { name: "operators" },
    matchingPrecedence: 500, // after the one for Leases
    rules: [
      {
        subjects: world.members.map(({ name }) => ({
          kind: "ServiceAccount",
          serviceAccount: { namespace: "agentpg-system", name },
        })),
        resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"], clusterScope: true }],
      },
    ],
  },
});

/** Kinds that an operator keeps in memory: the most LISTs that a fault may cost each of them. */
const WATCHED_KINDS = 12;

let world: ConvergenceWorld;
let it: OperatorHarness;

beforeAll(async () => {
  world = await startConvergenceWorld();
  it = world.harness;
  await it.prepareTenantNamespace("alpha", "alpha");
  await it.apply(TENANT, aTenant("alpha"));
  for (const name of ["one", "two", "three"]) await it.apply(AGENT, anAgent("alpha", name));
  await converged();
}, 1_800_000);
afterAll(async () => world?.stop());
beforeEach(async () => {
  await converged();
  await world.audit.news();
});

/** Within 60 s all is as it should be, and one leads. */
async function converged(): Promise<void> {
  const all = async () => [
    ...(await problems(it)),
    ...(await world
      .roles()
      .then(() => [], String)
      .then((e) => [e].flat())),
  ];
  await eventually(all, (found) => found.length === 0, 60).catch((error: Error) => {
    const said = world.members.map(({ name, process }) => `${name} said:\n${process.output.slice(-2500)}`);
    throw new Error(`${error.message}\n${said.join("\n")}`);
  });
}

/** What the operators asked the API server for since the test began. */
async function asked(): Promise<Request[]> {
  const names = new Set(world.members.map(({ name }) => name));
  return (await world.audit.news()).filter(({ user }) => names.has(user));
}

/** Objects that were written more often than once, with how often. */
function writtenTwice(requests: readonly Request[]): string[] {
  const times = new Map<string, number>();
  for (const { resource, key } of requests.filter(changedAnObject))
    times.set(`${resource} ${key}`, (times.get(`${resource} ${key}`) ?? 0) + 1);
  return [...times].filter(([, count]) => count > 1).map(([what, count]) => `${what}: ${count}`);
}

const lists = (requests: readonly Request[], { name }: Member) =>
  requests.filter((one) => one.user === name && listedAll(one)).length;
const ready = async ({ process }: Member, status: number) =>
  eventually(
    () => process.readiness(),
    (seen) => seen === status,
    40,
    100,
  );
const setModel = (agent: string, model: string) => it.client.mergePatch(AGENT, agent, "alpha", { spec: { model } });
const deleteByHand = () => it.client.delete(kinds.NETWORK_POLICY, "agentpg-default-deny", "alpha");

test("of two operators one leads and writes, each object once; the other is ready and writes nothing", async () => {
  const { leader, follower } = await world.roles();
  await it.apply(AGENT, anAgent("alpha", "quiet"));
  await converged();
  const seen = await asked();
  expect(writtenTwice(seen)).toEqual([]);
  expect(seen.filter((one) => one.user === follower.name && one.verb !== "watch" && one.verb !== "get")).toEqual([]);
  expect(await follower.process.metric('leader_election_master_status{name="agentpg-operator"}')).toBe(0);
  expect([await leader.process.readiness(), await follower.process.readiness()]).toEqual([200, 200]);
  expect(seen.filter(listedAll)).toEqual([]);
});

test("where nothing changes nothing is written but Lease and epoch, however often the operators are started again", async () => {
  const writes = await writesDuring(world, async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const { leader } = await world.roles();
      const before = await world.leaseTransitions();
      leader.process.signal(signal);
      // A process that was killed is started again at once, and may be the first to see that the lease is over.
      await eventually(world.leaseTransitions, (now) => now > before);
      await workedOff((await world.roles()).leader, (await it.client.list(AGENT)).length);
    }
  });
  expect(writes).toMatchObject({ others: [], epochs: 2 });
  expect(writes.leaseRenewals).toBeGreaterThan(2);
});

test("watches that fall silent are resumed without a list, and the lease is kept", async () => {
  const before = await world.leaseTransitions();
  for (const { path } of world.members) path.swallow();
  await setModel("one", "claude-opus-5-5");
  await deleteByHand();
  await it.apply(AGENT, anAgent("alpha", "silent"));
  await converged();
  const seen = await asked();
  expect(writtenTwice(seen)).toEqual([]);
  expect(seen.filter(listedAll)).toEqual([]);
  expect(await world.leaseTransitions()).toBe(before);
});

test("an operator that hears nothing says so, and gives way to the other", async () => {
  const { leader, follower } = await world.roles();
  leader.path.set("swallow");
  await setModel("two", "claude-opus-5-5");
  await ready(leader, 503);
  await eventually(
    async () => (await world.roles()).leader.name,
    (name) => name === follower.name,
    40,
  );
  await setModel("one", "claude-haiku-5-5");
  leader.path.set("open");
  await converged();
  await ready(leader, 200);
  expect(writtenTwice(await asked())).toEqual([]);
});

test("lost events (410): an API server that restarts after a compaction is listed once, and what was deleted meanwhile goes", async () => {
  const { faults } = it.plane;
  await faults.restartApiServer(() => compact(faults.etcdUrl));
  await it.client.delete(AGENT, "silent", "alpha");
  await deleteByHand();
  await setModel("one", "claude-sonnet-5-5");
  await converged();
  const seen = await asked();
  expect(writtenTwice(seen)).toEqual([]);
  for (const member of world.members) expect(lists(seen, member)).toBeLessThanOrEqual(2 * WATCHED_KINDS); // one that ended begins anew
  expect(world.members.map(({ process }) => process.output).join("")).toMatch(/too old resource version|Expired/);
});

/** As etcd does every five minutes: what was before now cannot be asked for any more. */
async function compact(etcdUrl: string): Promise<void> {
  const call = async (path: string, body: object) => {
    const answer = await fetch(`${etcdUrl}/v3/kv/${path}`, { method: "POST", body: JSON.stringify(body) });
    return (await answer.json()) as { header?: { revision: string } };
  };
  const { header } = await call("range", { key: btoa("none") });
  if (!header) throw new Error("etcd tells no revision");
  await call("compaction", { revision: header.revision, physical: true });
}

test("etcd stopped and continued: nothing is lost, nothing is done twice", async () => {
  const { faults } = it.plane;
  for (const name of ["etcd-a", "etcd-b"]) await it.apply(AGENT, anAgent("alpha", name));
  faults.pauseEtcd(true);
  const late = it.apply(AGENT, anAgent("alpha", "etcd-c")).catch(() => {}); // may be refused: then it was not made
  await new Promise((resolve) => setTimeout(resolve, TIMES.lease.durationSeconds * 1000));
  faults.pauseEtcd(false);
  await late;
  await converged();
  const seen = await asked();
  expect(writtenTwice(seen)).toEqual([]);
  for (const member of world.members) expect(lists(seen, member)).toBeLessThanOrEqual(2 * WATCHED_KINDS);
});

test("throttled by the API server, the operators wait as they are told, keep the lease, and go on", async () => {
  const before = await world.leaseTransitions();
  await it.apply(PRIORITY_LEVEL, jail(0));
  await it.apply(FLOW_SCHEMA, flowOfOperators());
  await eventually(
    async () => {
      await deleteByHand();
      return (await asked()).filter(({ code }) => code === 429).length;
    },
    (refused) => refused > 0,
    20,
  );
  await setModel("one", "claude-opus-5-5");
  await it.apply(AGENT, anAgent("alpha", "throttled"));
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const refused = (await asked()).filter(({ code }) => code === 429);
  await it.client.delete(FLOW_SCHEMA, "operators");
  await converged();
  await it.client.delete(PRIORITY_LEVEL, "operators");
  expect(refused.length).toBeLessThan(60); // in 3 s, of two operators with 12 watches and 16 workers each
  expect(writtenTwice(await asked())).toEqual([]);
  expect(await world.leaseTransitions()).toBe(before);
});

test("what was changed and deleted while no operator ran is as it should be once one does", async () => {
  for (const { process } of world.members) await process.kill();
  await it.prepareTenantNamespace("beta", "beta");
  await it.apply(TENANT, aTenant("beta", { deletionPolicy: "Delete" }));
  await it.client.delete(AGENT, "three", "alpha");
  await it.client.delete(kinds.SERVICE, "agent-two", "alpha");
  await it.client.mergePatch(kinds.DEPLOYMENT, "agent-one", "alpha", { spec: { replicas: 3 } });
  await deleteByHand();
  for (const { process } of world.members) process.start();
  await converged();
  expect(writtenTwice(await asked())).toEqual([]);
  for (const { process } of world.members) await process.kill();
  await it.client.delete(TENANT, "beta");
  for (const { process } of world.members) process.start();
  await converged();
  expect((await asked()).filter(changedAnObject).filter(({ verb }) => verb !== "delete")).toHaveLength(1); // the finalizer
});

test("a token that expired: the operators wait, and go on with the next one without being started again", async () => {
  for (const { process } of world.members) await process.kill();
  const tokens = await Promise.all(world.members.map(({ freshToken }) => freshToken()));
  await Promise.all(world.members.map(async ({ setToken }, n) => setToken(await expired(tokens[n] ?? ""))));
  for (const { process } of world.members) process.start();
  const ends = world.members.map(({ process }) => process.ends.length);
  await eventually(
    () => world.members.every(({ process }) => /"message":"Unauthorized"/.test(process.output)),
    (refused) => refused,
  );
  await setModel("one", "claude-haiku-5-5");
  await Promise.all(world.members.map(({ setToken }, n) => setToken(tokens[n] ?? "")));
  await converged();
  expect(world.members.map(({ process }) => process.ends.length)).toEqual(ends);
  const seen = await asked();
  expect(writtenTwice(seen)).toEqual([]);
  for (const member of world.members) expect(lists(seen, member)).toBeLessThanOrEqual(2 * WATCHED_KINDS);
});

/** The same token, but of an hour ago. */
async function expired(token: string): Promise<string> {
  const key = await importPKCS8(await readFile(it.plane.faults.tokenKey, "utf8"), "RS256");
  const anHourAgo = Math.floor(Date.now() / 1000) - 3600;
  return new SignJWT({ ...decodeJwt(token), iat: anHourAgo - 600, nbf: anHourAgo - 600, exp: anHourAgo })
    .setProtectedHeader({ ...decodeProtectedHeader(token), alg: "RS256" })
    .sign(key);
}

test("clocks that jump by an hour move no lease, while others write to the same objects all the time", async () => {
  const before = await world.leaseTransitions();
  const until = Date.now() + (TIMES.lease.durationSeconds + 1) * 1000;
  await it.prepareTenantNamespace("gamma", "gamma");
  await it.apply(TENANT, aTenant("gamma"));
  for (let turn = 0; Date.now() < until || turn < 3; turn++) {
    if (turn < 3) for (const { process } of world.members) process.signal("SIGUSR2");
    if (turn < 3) await it.apply(AGENT, anAgent("gamma", `agent-${turn}`));
    const annotations = { "example.com/turn": String(turn) };
    await it.client.mergePatch(TENANT, "gamma", undefined, { metadata: { annotations } });
    for (const name of ["one", "two"]) await it.client.mergePatch(AGENT, name, "alpha", { metadata: { annotations } });
    await it.client.mergePatch(kinds.DEPLOYMENT, "agent-one", "alpha", { metadata: { annotations } });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await converged();
  const seen = await asked();
  expect(writtenTwice(seen.filter(({ code }) => code < 300))).toEqual([]);
  expect(await world.leaseTransitions()).toBe(before);
  expect(world.members.map(({ process }) => process.output.match(/the clock is shifted/g)?.length)).toEqual([3, 3]);
});

test("a leader that was stopped between two statements and goes on after another took over writes nothing more", async () => {
  const { leader, follower } = await world.roles();
  const superuser = new Client(clientOptions(it.postgres.adminSettings(it.admin.database), "test"));
  await superuser.connect();
  await it.prepareTenantNamespace("delta", "delta");
  const gate = await holdUp(superuser, "agentpg_operator.tenant", "NEW.schema_version > OLD.schema_version");
  await it.apply(TENANT, aTenant("delta"));
  await gate.reached();
  leader.process.signal("SIGSTOP");
  await gate.open();
  // What Postgres does with a session that is silent in a transaction, after 30 s: until then nobody else can lead there.
  await superuser.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agentpg-operator' AND state LIKE 'idle in transaction%'",
  );
  await superuser.end();
  await eventually(
    () => it.tenant("delta"),
    ({ status }) => status?.["schema"] !== undefined && status["credentialsRevision"] !== undefined,
    40,
  );
  const ends = leader.process.ends.length;
  await asked();
  leader.process.signal("SIGCONT");
  await eventually(
    () => leader.process.ends.length,
    (now) => now > ends,
  );
  await converged();
  expect((await asked()).filter((one) => one.user === leader.name && changedAnObject(one))).toEqual([]);
  expect((await world.roles()).leader.name).toBe(follower.name);
});

/** CRDs of an earlier release, as it had them. */
const EARLIER = join(import.meta.dirname, "..", "upgrade", "0.1.0");
const generations = async () =>
  Object.fromEntries(
    (await it.client.list<Conditioned>(kinds.DEPLOYMENT)).map(({ metadata }) => [metadata.name, metadata.generation]),
  );

test("CRDs that go back to an earlier release and forward again, at work: what is stored stays valid, and nothing is rolled out", async () => {
  const before = await generations();
  await installDefinitions(it.client, EARLIER);
  await it.apply(
    AGENT,
    anAgent("alpha", "of-earlier", { replicas: 2, tools: [aTool("sum", { sql: { statement: "select 1" } })] }),
  );
  await converged();
  await Promise.all([installDefinitions(it.client), setModel("one", "claude-opus-5-5"), deleteByHand()]);
  await converged();
  const upgraded = await generations();
  for (const { process } of world.members) process.signal("SIGTERM"); // the operators are upgraded after the CRDs
  await converged();
  expect(await generations()).toEqual(upgraded);
  const { "agent-one": changed, ...kept } = upgraded;
  expect({ "agent-one": (changed ?? 0) > (before["agent-one"] ?? 0), ...kept }).toEqual({
    ...before,
    "agent-one": true,
    "agent-of-earlier": 1,
  });
  // What was stored by the earlier release is taken by the new one as it is, with a field that only the new one knows.
  await it.client.mergePatch(AGENT, "of-earlier", "alpha", {
    spec: { approvals: { tools: ["sum"], approverRoles: ["x"] } },
  });
  await converged();
  expect(writtenTwice(await asked()).filter((what) => !/agent-one|of-earlier|default-deny/.test(what))).toEqual([]);
});

test("a finalizer that is removed by hand comes back; of a Tenant that went without it, the logins are closed", async () => {
  await it.prepareTenantNamespace("epsilon", "epsilon");
  await it.apply(TENANT, aTenant("epsilon"));
  await converged();
  const removeFinalizers = () => it.client.mergePatch(TENANT, "epsilon", undefined, { metadata: { finalizers: [] } });
  await removeFinalizers();
  await eventually(
    () => it.tenant("epsilon"),
    ({ metadata }) => metadata.finalizers?.includes(FINALIZER) === true,
    20,
  );
  for (const { process } of world.members) await process.kill();
  await removeFinalizers();
  await it.client.delete(TENANT, "epsilon");
  for (const { process } of world.members) process.start();
  await converged(); // its row in the registry is no active one any more
  await it.client.delete(kinds.NAMESPACE, "epsilon");
});

/** So many tools, each described in so many characters. */
const manyTools = (count: number, characters: number) =>
  Array.from({ length: count }, (_, n) => ({
    ...aTool(`tool-${n}`, { sql: { statement: "select 1" } }),
    description: "x".repeat(characters),
  }));

test("an Agent of 500 tools is served; of one whose configuration is over 1 MiB, it is said that it is too large", async () => {
  await it.apply(AGENT, anAgent("alpha", "many", { tools: manyTools(500, 200) }));
  await converged();
  await it.apply(AGENT, anAgent("alpha", "huge", { systemPrompt: "y".repeat(190_000), tools: manyTools(400, 2000) }));
  const refused = await it.condition("Agent", "alpha/huge", "ConfigurationValid", "False", "ObjectRefused");
  expect(refused.message).toMatch(/1048576/);
  expect(
    (await asked()).filter(({ key, code }) => key.startsWith("alpha/agent-huge") && code === 422).length,
  ).toBeLessThan(5);
  await it.client.delete(AGENT, "huge", "alpha");
  const tooLarge = it.apply(AGENT, anAgent("alpha", "larger", { tools: manyTools(500, 4096) }));
  await expect(tooLarge).rejects.toThrow(/too large|larger than max/);
  await converged();
});
