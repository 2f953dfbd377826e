import { z } from "zod";

/** An OpenAPI v3 schema as the apiextensions API takes it. */
export type Schema = { [key: string]: unknown };

const DROPPED = new Set(["$schema", "$id", "id", "propertyNames", "readOnly", "nullable"]);

/** Keywords that the converter understands; any other is an error, so that no rule is lost in silence. */
const KEPT = new Set([
  "type",
  "format",
  "description",
  "default",
  "enum",
  "pattern",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "required",
]);

const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** zod's largest safe integers stand for "no limit"; a CRD leaves them out. */
const isNoLimit = (key: string, value: unknown): boolean =>
  (key === "minimum" || key === "maximum") && Math.abs(value as number) === Number.MAX_SAFE_INTEGER;

function convertKeyword(key: string, value: unknown, path: string): Schema {
  if (key.startsWith("x-kubernetes-") || KEPT.has(key)) return isNoLimit(key, value) ? {} : { [key]: value };
  if (key === "properties") {
    const entries = Object.entries(value as Record<string, Schema>);
    return {
      properties: Object.fromEntries(entries.map(([name, child]) => [name, convert(child, `${path}.${name}`)])),
    };
  }
  if (key === "items") return { items: convert(value as Schema, `${path}[]`) };
  // `false` and `{}` are how zod closes and opens objects; the API server prunes what is not named either way.
  if (key === "additionalProperties") {
    return isSchema(value) && Object.keys(value).length > 0
      ? { additionalProperties: convert(value, `${path}{}`) }
      : {};
  }
  throw new Error(`${path}: keyword ${key} cannot stand in a structural schema`);
}

function convert(schema: Schema, path: string): Schema {
  if (schema["x-kubernetes-int-or-string"]) {
    const { description, pattern, default: standard } = schema;
    return {
      "x-kubernetes-int-or-string": true,
      ...(description ? { description } : {}),
      ...(pattern ? { pattern } : {}),
      ...(standard === undefined ? {} : { default: standard }),
    };
  }
  if (schema["x-kubernetes-preserve-unknown-fields"]) {
    const { description, default: standard } = schema;
    return {
      type: "object",
      "x-kubernetes-preserve-unknown-fields": true,
      ...(description ? { description } : {}),
      ...(standard === undefined ? {} : { default: standard }),
    };
  }
  const out: Schema = {};
  for (const [key, value] of Object.entries(schema)) {
    if (!DROPPED.has(key)) Object.assign(out, convertKeyword(key, value, path));
  }
  if (typeof out["type"] !== "string") throw new Error(`${path}: a structural schema needs a type`);
  return out;
}

/**
 * The structural schema (apiextensions.k8s.io/v1) of a zod schema as people write it: input side, defaults kept.
 * @throws Error that names the path of what a CRD cannot say
 */
export function structuralSchema(schema: z.ZodType, path: string): Schema {
  const json = z.toJSONSchema(schema, { target: "openapi-3.0", io: "input", reused: "inline", unrepresentable: "any" });
  return convert(json, path);
}
