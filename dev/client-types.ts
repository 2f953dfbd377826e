// The client's types, from the OpenAPI document's schemas.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  description?: string;
}

const NAMED: Record<string, string> = {
  integer: "number",
  number: "number",
  string: "string",
  boolean: "boolean",
  null: "null",
};
const union = (types: string[]): string => [...new Set(types)].join(" | ");
const comment = (schema: Schema): string => (schema.description ? `/** ${schema.description} */\n` : "");

function objectType({ properties = {}, required = [], additionalProperties: rest }: Schema): string {
  const fields = Object.entries(properties).map(
    ([name, schema]) =>
      `${comment(schema)}${JSON.stringify(name)}${required.includes(name) ? "" : "?"}: ${typeOf(schema)};`,
  );
  const others = typeof rest === "object" && Object.keys(rest).length > 0 ? typeOf(rest) : "unknown";
  if (fields.length === 0) return `Record<string, ${others}>`;
  const open = typeof rest === "object" ? ` [field: string]: unknown;` : "";
  return `{${fields.some((it) => it.startsWith("/**")) ? "\n" : " "}${fields.join("\n")}${open} }`;
}

function typeOf(schema: Schema): string {
  if (schema.$ref) return schema.$ref.split("/").at(-1) as string;
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return union(schema.enum.map((it) => JSON.stringify(it)));
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return union(several.map(typeOf));
  if (schema.type === "array") return `(${typeOf(schema.items ?? {})})[]`;
  if (schema.type === "object") return objectType(schema);
  if (Array.isArray(schema.type)) return union(schema.type.map((type) => typeOf({ ...schema, type })));
  return NAMED[schema.type ?? ""] ?? "unknown";
}

/** TypeScript for all named schemas, formatted as the rest of the code is. */
export function clientTypes(schemas: Record<string, object>, root: string, path: string): string {
  const types = Object.entries(schemas).map(
    ([name, schema]) => `${comment(schema)}export type ${name} = ${typeOf(schema)};`,
  );
  const text = `// Generated from docs/openapi.json by \`npm run generate\`; do not edit.\n\n${types.join("\n\n")}\n`;
  return execFileSync(join(root, "node_modules/.bin/biome"), ["format", `--stdin-file-path=${path}`], {
    cwd: root,
    input: text,
    encoding: "utf8",
  });
}
