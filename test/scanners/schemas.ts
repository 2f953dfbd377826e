import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { agentDefinition, tenantDefinition } from "../../src/api/crd/definitions.ts";
import { moduleFolder } from "../../src/local-cluster/go-build.ts";

type Schema = { [key: string]: unknown };
interface Swagger {
  definitions: Record<
    string,
    Schema & { "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[] }
  >;
}

/** Texts to Kubernetes' JSON, numbers to whoever writes YAML. */
const OR_NUMBER = ["io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity"];

const isObject = (it: unknown): it is Schema => typeof it === "object" && it !== null && !Array.isArray(it);
const eachOf = (schemas: Schema): Schema =>
  Object.fromEntries(Object.entries(schemas).map(([name, it]) => [name, isObject(it) ? strict(it) : it]));

/** The schema with fields that it does not know refused, at any depth, as `kubectl apply` does. */
function strict(schema: Schema): Schema {
  const { properties, additionalProperties, items } = schema;
  if (schema["x-kubernetes-int-or-string"]) return { anyOf: [{ type: "string" }, { type: "number" }] };
  const isClosed =
    properties !== undefined && additionalProperties === undefined && !schema["x-kubernetes-preserve-unknown-fields"];
  return {
    ...schema,
    ...(isObject(properties) && { properties: eachOf(properties) }),
    ...(isObject(items) && { items: strict(items) }),
    ...(isObject(additionalProperties) && { additionalProperties: strict(additionalProperties) }),
    ...(isClosed && { additionalProperties: false }),
  };
}

/** A definition with all that it refers to: each file stands by itself. */
function reached(definitions: Record<string, unknown>, name: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const waiting = [name];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next in found) continue;
    found[next] = definitions[next];
    for (const [, other] of JSON.stringify(found[next]).matchAll(/"#\/definitions\/([^"]+)"/g))
      waiting.push(other as string);
  }
  return found;
}

const fileOf = (kind: string, group: string, version: string): string =>
  `${[kind.toLowerCase(), ...(group ? [group.split(".")[0] as string] : []), version].join("-")}.json`;

/** Kubernetes' own, of the version that the tests run. */
async function kubernetesSchemas(): Promise<Map<string, unknown>> {
  const path = join(await moduleFolder("k8s.io/kubernetes"), "api/openapi-spec/swagger.json");
  const { definitions } = JSON.parse(await readFile(path, "utf8")) as Swagger;
  for (const name of OR_NUMBER) definitions[name] = { anyOf: [{ type: "string" }, { type: "number" }] };
  const closed = eachOf(definitions);
  const files = new Map<string, unknown>();
  for (const [name, { "x-kubernetes-group-version-kind": kinds = [] }] of Object.entries(definitions))
    for (const { group, version, kind } of kinds)
      files.set(fileOf(kind, group, version), { $ref: `#/definitions/${name}`, definitions: reached(closed, name) });
  return files;
}

/** Of Tenant and Agent. */
function ownSchemas(): Map<string, unknown> {
  const files = new Map<string, unknown>();
  for (const { spec } of [tenantDefinition(), agentDefinition()])
    for (const { name, schema } of spec.versions) {
      const own = strict(schema.openAPIV3Schema) as Schema & { properties: Schema };
      const properties = {
        ...own.properties,
        apiVersion: { type: "string" },
        kind: { type: "string" },
        metadata: { type: "object" },
      };
      files.set(fileOf(spec.names.kind, spec.group, name), { ...own, properties });
    }
  return files;
}

/** JSON Schemas as kubeconform looks for them, in `folder`. */
export async function writeSchemas(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, schema] of [...(await kubernetesSchemas()), ...ownSchemas()])
    await writeFile(join(folder, name), JSON.stringify(schema));
}
