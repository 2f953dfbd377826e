import { expect, test } from "vitest";
import type { RegisteredClaim } from "../../database/tenants.ts";
import { type PlacementQuestion, placeTenant, type ServerView } from "./placement.ts";

const US = "cluster-1";
const silent = { unreachable: "database server b: no connection" };

const aServer = (name: string, tenants = 0, more: Partial<ServerView> & { claims?: RegisteredClaim[] } = {}) => {
  const { claims = [], ...rest } = more;
  return { name, acceptsNew: true, weight: 1, maxTenants: undefined, registry: { claims, tenants }, ...rest };
};
const aClaim = (more: Partial<RegisteredClaim> = {}): RegisteredClaim => ({
  id: "t_000000000000",
  uid: "u1",
  name: "acme",
  clusterUid: US,
  state: "active",
  ...more,
});
const earlier = (more: Partial<RegisteredClaim> = {}) => aClaim({ uid: "u0", state: "retained", ...more });

const place = (servers: ServerView[], more: Partial<PlacementQuestion["tenant"]> = {}) => {
  const tenant = { uid: "u1", name: "acme", wish: undefined, adopt: false, isNew: false, ...more };
  const placement = placeTenant({ tenant, claimant: US, servers });
  if (!("refused" in placement)) return placement;
  return { refused: placement.refused.reason, says: placement.refused.message };
};

test("a new Tenant goes to the server with the least Tenants for its weight", () => {
  expect(place([aServer("a", 5), aServer("b", 3)])).toEqual({ server: "b", why: "least loaded" });
  expect(place([aServer("a", 5), aServer("b", 12, { weight: 3 })])).toEqual({ server: "b", why: "least loaded" });
  expect(place([aServer("a"), aServer("b")])).toMatchObject({ server: "a" });
});

test("over many Tenants each server gets its weight's share", () => {
  const counts = { a: 0, b: 0, c: 0 };
  for (let n = 0; n < 600; n++) {
    const weights = { a: 1, b: 2, c: 3 };
    const servers = (["a", "b", "c"] as const).map((it) => aServer(it, counts[it], { weight: weights[it] }));
    const placement = place(servers) as { server: keyof typeof counts };
    counts[placement.server]++;
  }
  expect(counts).toEqual({ a: 100, b: 200, c: 300 });
});

test("a Tenant is where its data is, also on a server that takes no more, and while another is down", () => {
  const home = aServer("a", 9, { acceptsNew: false, maxTenants: 1, claims: [aClaim()] });
  expect(place([home, aServer("b", 0, { registry: silent })])).toEqual({ server: "a", why: "found" });
  expect(place([home, aServer("b")], { wish: "b" })).toMatchObject({
    refused: "DatabaseServerDiffers",
    says: expect.stringContaining("data is on a"),
  });
});

test("data on two servers is told, and neither is chosen", () => {
  const servers = ["a", "b"].map((it) => aServer(it, 1, { claims: [aClaim()] }));
  expect(place(servers)).toMatchObject({ refused: "DataOnTwoServers", says: expect.stringContaining("a and b") });
});

test("a server that cannot be asked holds a Tenant that may be there, named or not", () => {
  const servers = [aServer("a"), aServer("b", 0, { registry: silent })];
  for (const wish of [undefined, "a", "b"])
    expect(place(servers, { wish })).toMatchObject({
      refused: "PlacementHeld",
      says: expect.stringMatching(/^b cannot be asked .*no connection/),
    });
});

test("a Tenant that is proved to be new goes to a server that answers, but not one that is to adopt", () => {
  const servers = [aServer("a", 99), aServer("b", 0, { registry: silent })];
  expect(place(servers, { isNew: true })).toEqual({ server: "a", why: "least loaded" });
  expect(place(servers, { isNew: true, wish: "a" })).toEqual({ server: "a", why: "named" });
  expect(place(servers, { isNew: true, wish: "b" })).toMatchObject({ refused: "DatabaseUnreachable" });
  expect(place(servers, { isNew: true, adopt: true })).toMatchObject({ refused: "PlacementHeld" });
});

test("an unknown server is refused with the names that are known", () => {
  expect(place([aServer("default"), aServer("second")], { wish: "third" })).toMatchObject({
    refused: "DatabaseServerUnknown",
    says: expect.stringContaining("known are: default, second"),
  });
});

test("what an earlier Tenant of the name left draws the new one to it", () => {
  const servers = [aServer("a"), aServer("b", 9, { acceptsNew: false, claims: [earlier()] })];
  expect(place(servers)).toEqual({ server: "b", why: "left" });
  expect(place(servers, { wish: "b" })).toEqual({ server: "b", why: "left" });
  expect(place(servers, { wish: "a" })).toMatchObject({ refused: "RetainedByEarlierTenant" });
  const twice = ["a", "b"].map((it) => aServer(it, 1, { claims: [earlier()] }));
  expect(place(twice)).toMatchObject({ refused: "RetainedByEarlierTenant", says: expect.stringContaining("a and b") });
  expect(place(twice, { wish: "b" })).toEqual({ server: "b", why: "left" });
});

test("a server where another operator has a Tenant of this name is passed over", () => {
  const theirs = aServer("a", 0, { claims: [earlier({ state: "active", clusterUid: "cluster-2" })] });
  expect(place([theirs, aServer("b", 5)])).toEqual({ server: "b", why: "least loaded" });
  expect(place([theirs, aServer("b", 5)], { wish: "a" })).toMatchObject({ refused: "SchemaClaimedByOther" });
});

test("a server that is drained or full takes no new Tenants, named or not", () => {
  const drained = aServer("a", 0, { acceptsNew: false });
  const full = aServer("b", 7, { maxTenants: 7 });
  expect(place([drained, full, aServer("c", 99)])).toMatchObject({ server: "c" });
  expect(place([drained, full], { wish: "a" })).toMatchObject({ refused: "DatabaseServerDraining" });
  expect(place([drained, full], { wish: "b" })).toMatchObject({ refused: "DatabaseServerFull" });
  expect(place([drained, full])).toMatchObject({
    refused: "NoDatabaseServer",
    says: expect.stringMatching(/a takes no new Tenants.*b has 7 Tenants/),
  });
});
