import { expect, test } from "vitest";
import { type Accepted, type Finding, judged } from "./finding.ts";

const finding = (more: Partial<Finding> = {}): Finding => ({
  scanner: "checkov",
  code: "CKV_K8S_40",
  object: "Deployment/agentpg",
  says: "a high UID",
  ...more,
});
const accepted = (more: Partial<Accepted> = {}): Accepted => ({
  scanner: "checkov",
  code: "CKV_K8S_40",
  objects: ["Deployment/*"],
  why: "because",
  ...more,
});

test("a finding is explained by scanner, code and object together", () => {
  expect(judged([finding()], [accepted()])).toEqual({ unexplained: [], stale: [] });
  for (const other of [{ scanner: "kube-score" }, { code: "CKV_K8S_4" }, { objects: ["Deployment"] }] as const)
    expect(judged([finding()], [accepted(other as Partial<Accepted>)]).unexplained).toEqual([finding()]);
});

test("an explanation of what is not found any more is told, object by object", () => {
  const objects = ["Deployment/agentpg", "Deployment/agent-*"];
  expect(judged([finding()], [accepted({ objects })]).stale).toEqual([accepted({ objects: ["Deployment/agent-*"] })]);
});
