import { describe, expect, it } from "vitest";
import { callerOfToken, type TokenAccess } from "./caller.ts";

const oidc: TokenAccess = {
  source: "oidc",
  issuer: "https://id.example.com",
  audience: "agentpg",
  tenantClaim: "tenant",
  userClaim: "sub",
  roleClaim: "groups",
  tenant: "acme",
};
const isApprover = (claims: object, roles = ["bosses"]) =>
  callerOfToken(oidc, { sub: "ann", tenant: "acme", ...claims }, roles).approver;

describe("an approver", () => {
  it.each([
    ["a list with the role", { groups: ["staff", "bosses"] }, true],
    ["a text with the role", { groups: "staff bosses" }, true],
    ["other roles", { groups: ["staff"] }, false],
    ["a role that begins alike", { groups: "bosses2" }, false],
    ["a list in a list", { groups: [["bosses"]] }, false],
    ["an object", { groups: { bosses: true } }, false],
    ["no roles", {}, false],
    ["the role in another claim", { roles: ["bosses"], scope: "bosses agentpg:admin" }, false],
  ])("is made by %s in the tenant's role claim: %j is %s", (_what, claims, expected) => {
    expect(isApprover(claims)).toBe(expected);
  });

  it("is nobody while the agent names no roles, whatever a token says", () => {
    expect(isApprover({ groups: ["", "bosses"] }, [])).toBe(false);
    expect(isApprover({ groups: "" }, ["bosses"])).toBe(false);
  });

  it("is a service account by its name where the cluster's own tokens are taken", () => {
    const access: TokenAccess = { source: "cluster", issuer: "https://k8s", audience: "agentpg", namespace: "acme" };
    const sub = "system:serviceaccount:acme:reviewer";
    const payload = { sub, "kubernetes.io": { namespace: "acme" }, roles: ["bosses"] };
    expect(callerOfToken(access, payload, [sub]).approver).toBe(true);
    expect(callerOfToken(access, payload, ["bosses"]).approver).toBe(false);
  });
});
