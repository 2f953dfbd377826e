// docs/reference: a page for each of our resources, made from its CRD. Fields are told as the API server checks them.
import { agentDefinition, tenantDefinition } from "../src/api/crd/definitions.ts";

interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: string[];
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema;
  items?: Schema;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-validations"?: { message: string }[];
}

/** A table of its own: the fields of the entries of a list or map. */
interface Section {
  path: string;
  schema: Schema;
}

const code = (text: string): string => `\`${text}\``;
const inCell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const range = (least?: number, most?: number): string => {
  if (least === undefined && most === undefined) return "";
  if (least === undefined) return ` ≤ ${most}`;
  return most === undefined ? ` ≥ ${least}` : ` ${least}–${most}`;
};

function typeOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map(code).join(", ");
  if (schema["x-kubernetes-int-or-string"]) return "quantity";
  if (schema["x-kubernetes-preserve-unknown-fields"]) return "any object";
  if (schema.items) {
    const kind = schema["x-kubernetes-list-type"] === "set" ? "set of" : "list of";
    return `${kind}${range(schema.minItems, schema.maxItems)} ${schema.items.properties ? "objects" : `(${typeOf(schema.items)})`}`;
  }
  if (schema.additionalProperties) return `map of${range(undefined, schema.maxProperties)} objects`;
  if (schema.format === "date-time") return "time";
  if (schema.type === "string" && (schema.maxLength !== undefined || schema.minLength !== undefined))
    return `string${range(schema.minLength, schema.maxLength)}`;
  if (schema.exclusiveMinimum) return `${schema.type} > ${schema.minimum}${range(undefined, schema.maximum)}`;
  return `${schema.type}${range(schema.minimum, schema.maximum)}`;
}

function defaultOf(schema: Schema, required: boolean): string {
  if (required) return "**required**";
  if (schema.default === undefined || (schema.properties && JSON.stringify(schema.default) === "{}")) return "";
  return code(typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default));
}

function rulesOf(schema: Schema): string[] {
  const keys = schema["x-kubernetes-list-map-keys"];
  return [
    ...(schema.pattern ? [code(schema.pattern)] : []),
    ...(keys ? [`each ${keys.join(", ")} once`] : []),
    ...(schema["x-kubernetes-validations"] ?? []).map(({ message }) => message),
  ];
}

/** @throws Error for a field that nobody described */
function row(path: string, schema: Schema, required: boolean, describe: boolean): string {
  if (describe && schema.description === undefined)
    throw new Error(`${path} has no description: add .describe(…) to it in src/api; docs/reference is made from it`);
  const cells = [code(path), typeOf(schema), defaultOf(schema, required), rulesOf(schema).join("; ")];
  return `| ${[...cells, schema.description ?? ""].map(inCell).join(" | ")} |`;
}

/** The rows of a section, and the sections that hang on it. */
function rowsOf({ path, schema }: Section, describe: boolean): { rows: string[]; sections: Section[] } {
  const rows: string[] = [];
  const sections: Section[] = [];
  const walk = (prefix: string, it: Schema) => {
    for (const [name, field] of Object.entries(it.properties ?? {})) {
      const own = prefix === "" ? name : `${prefix}.${name}`;
      rows.push(row(own, field, it.required?.includes(name) ?? false, describe));
      if (field.properties) walk(own, field);
      if (field.items?.properties) sections.push({ path: `${path}.${own}[]`, schema: field.items });
      if (field.additionalProperties?.properties)
        sections.push({ path: `${path}.${own}.NAME`, schema: field.additionalProperties });
    }
  };
  walk("", schema);
  return { rows, sections };
}

function tables(first: Section, describe: boolean): string[] {
  const out: string[] = [];
  for (const left = [first]; left.length > 0; ) {
    const section = left.shift() as Section;
    const { rows, sections } = rowsOf(section, describe);
    left.unshift(...sections);
    const rules = rulesOf(section.schema).map((it) => `- ${it}.`);
    out.push(
      `## \`${section.path}\``,
      ...(section.schema.description ? [section.schema.description] : []),
      ...(rules.length > 0 ? [rules.join("\n")] : []),
      ["| Field | Type | Default | Rule | Meaning |", "|---|---|---|---|---|", ...rows].join("\n"),
    );
  }
  return out;
}

function page(definition: ReturnType<typeof tenantDefinition>, more: string): string {
  const { group, scope, names, versions } = definition.spec;
  const [version] = versions;
  if (!version) throw new Error(`${names.kind} has no version`);
  const { spec, status, description } = version.schema.openAPIV3Schema.properties
    ? { ...version.schema.openAPIV3Schema.properties, description: version.schema.openAPIV3Schema.description }
    : { spec: {}, status: {}, description: "" };
  const rules = version.schema.openAPIV3Schema["x-kubernetes-validations"] as { message: string }[];
  const columns = version.additionalPrinterColumns as { name: string; priority?: number }[];
  const shown = columns.filter((it) => !it.priority).map((it) => it.name.toUpperCase());
  const wide = columns.filter((it) => it.priority).map((it) => it.name.toUpperCase());
  return `${[
    `# ${names.kind}`,
    "<!-- Made from src/api by `npm run generate`; do not edit. -->",
    description,
    `\`apiVersion: ${group}/${version.name}\`, \`kind: ${names.kind}\`. ${scope === "Cluster" ? "Cluster-scoped" : "Namespaced"}; short name \`${names.shortNames.join(", ")}\`; category \`${names.categories.join(", ")}\`. \`kubectl get ${names.plural}\` shows ${shown.join(", ")}; \`-o wide\` also ${wide.join(", ")}.${more}`,
    "The API server checks every rule here, refuses fields that are not in these tables, and names the field that is at fault. `NAME` stands for a key of a map.",
    rules.map(({ message }) => `- ${message}.`).join("\n"),
    ...tables({ path: "spec", schema: spec }, true),
    ...tables({ path: "status", schema: status }, false),
  ].join("\n\n")}\n`;
}

/** The pages, by their paths. */
export const resourceReference = (): Record<string, string> => ({
  "docs/reference/tenant.md": page(
    tenantDefinition(),
    " What its fields lead to is in [the API](../api.md#tenant); conditions and reasons are in the [runbook](../operations.md#runbook-conditions-of-a-tenant).",
  ),
  "docs/reference/agent.md": page(
    agentDefinition(),
    " It has the scale subresource. What its fields lead to is in [the API](../api.md#agent); conditions and reasons are in the [runbook](../operations.md#runbook-conditions-of-an-agent).",
  ),
});
