import { agentSpec, agentStatus } from "../agent.ts";
import { GROUP, VERSION } from "../resource.ts";
import { tenantSpec, tenantStatus } from "../tenant.ts";
import { structuralSchema, type Schema } from "./structural-schema.ts";

const ready = (type: string) => `.status.conditions[?(@.type=="${type}")].status`;
const age = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

interface Definition {
  kind: string;
  plural: string;
  scope: "Cluster" | "Namespaced";
  shortNames: string[];
  description: string;
  spec: Schema;
  status: Schema;
  rules: Schema[];
  columns: Schema[];
  subresources: Schema;
}

function customResourceDefinition(it: Definition) {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${it.plural}.${GROUP}`, labels: { "app.kubernetes.io/part-of": "agentpg" } },
    spec: {
      group: GROUP,
      scope: it.scope,
      names: {
        kind: it.kind,
        listKind: `${it.kind}List`,
        plural: it.plural,
        singular: it.kind.toLowerCase(),
        shortNames: it.shortNames,
        categories: ["agentpg"],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: it.columns,
          subresources: it.subresources,
          schema: {
            openAPIV3Schema: {
              type: "object",
              description: it.description,
              required: ["spec"],
              properties: {
                apiVersion: { type: "string" },
                kind: { type: "string" },
                metadata: { type: "object" },
                spec: it.spec,
                status: it.status,
              },
              "x-kubernetes-validations": it.rules,
            },
          },
        },
      ],
    },
  };
}

export const tenantDefinition = () =>
  customResourceDefinition({
    kind: "Tenant",
    plural: "tenants",
    scope: "Cluster",
    shortNames: ["tn"],
    description:
      "A hard boundary for one tenant: namespace, Postgres schema and logins, API key, network, quota, budget.",
    spec: structuralSchema(tenantSpec, "spec"),
    status: structuralSchema(tenantStatus, "status"),
    rules: [
      {
        rule: "self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",
        message:
          "a Tenant's name is a DNS label of at most 63 characters without dots: choose a shorter or simpler name",
      },
      {
        rule: "has(self.spec.__namespace__) || !(self.metadata.name == 'default' || self.metadata.name.startsWith('kube-'))",
        message: "the namespace would be the Tenant's name, which belongs to Kubernetes itself: set spec.namespace",
      },
      {
        // Where it is placed is in the status, so this is no rule of the field itself. What was there before stays valid.
        rule: "!has(oldSelf.status) || !has(oldSelf.status.database) || !has(oldSelf.status.database.server) || !has(self.spec.database) || !has(self.spec.database.server) || self.spec.database.server == oldSelf.status.database.server || (has(oldSelf.spec.database) && has(oldSelf.spec.database.server) && self.spec.database.server == oldSelf.spec.database.server)",
        message:
          "spec.database.server: the tenant is placed (status.database.server) and stays there: leave the field out or give that server; docs/scaling.md tells how data is moved",
        fieldPath: ".spec.database.server",
        reason: "FieldValueForbidden",
      },
    ],
    columns: [
      { name: "Ready", type: "string", jsonPath: ready("Ready") },
      { name: "Namespace", type: "string", jsonPath: ".status.namespace" },
      { name: "Schema", type: "string", jsonPath: ".status.schema" },
      { name: "Agents", type: "integer", jsonPath: ".status.agents" },
      { name: "Server", type: "string", priority: 1, jsonPath: ".status.database.server" },
      { name: "Reason", type: "string", priority: 1, jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
      age,
    ],
    subresources: { status: {} },
  });

export const agentDefinition = () =>
  customResourceDefinition({
    kind: "Agent",
    plural: "agents",
    scope: "Namespaced",
    shortNames: ["ag"],
    description:
      "A Claude agent of a tenant: pods that answer HTTP and keep every session, run and message in the tenant's schema.",
    spec: structuralSchema(agentSpec, "spec"),
    status: structuralSchema(agentStatus, "status"),
    rules: [
      {
        rule: "self.metadata.name.size() <= 57 && !self.metadata.name.contains('.')",
        message:
          "an Agent's name is a DNS label of at most 57 characters without dots, because its objects are named agent-<name>",
      },
    ],
    columns: [
      { name: "Model", type: "string", jsonPath: ".spec.model" },
      { name: "Ready", type: "string", jsonPath: ready("Ready") },
      { name: "Replicas", type: "integer", jsonPath: ".status.readyReplicas" },
      { name: "Endpoint", type: "string", jsonPath: ".status.endpoint" },
      { name: "Reason", type: "string", priority: 1, jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
      age,
    ],
    subresources: {
      status: {},
      scale: {
        specReplicasPath: ".spec.replicas",
        statusReplicasPath: ".status.replicas",
        labelSelectorPath: ".status.selector",
      },
    },
  });
