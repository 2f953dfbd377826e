import { storableJson } from "../../../database/runs/storable.ts";

type Schema = Record<string, unknown>;

/** What the API takes at the top of an input schema only as part of a property. */
const CHOICES = ["oneOf", "anyOf", "allOf"] as const;
/** A name of a property that the API takes; one with another makes it refuse the whole request. */
const PROPERTY = /^[a-zA-Z0-9_.-]{1,64}$/;
const MAX_NOTE = 2000;

const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const propertiesOf = (schema: Schema): Schema => (isSchema(schema.properties) ? schema.properties : {});
const requiredOf = ({ required }: Schema): string[] => (Array.isArray(required) ? required.map(String) : []);

/** Without what does not show: it could hide from people what the model reads. */
export const visible = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (it) => (it === "\n" || it === "\t" ? it : ""));

/**
 * A stranger's schema as the model may be shown it, and as the API takes it. An input is checked against the whole of it all the same.
 * @returns with a note of what the schema cannot say any more
 * @throws Error that says why the tool cannot be had
 */
export function shownSchema(schema: Schema): { schema: Schema; note: string } {
  const { schema: flat, note } = withoutChoices(schema);
  return { schema: JSON.parse(storableJson(clean(flat))) as Schema, note: visible(note) };
}

/** The choices become properties, of which none but those of each branch are required, and words. */
function withoutChoices(schema: Schema): { schema: Schema; note: string } {
  const choices = CHOICES.filter((it) => schema[it] !== undefined);
  if (!choices.length) return { schema, note: "" };
  const rest = Object.fromEntries(Object.entries(schema).filter(([key]) => !choices.includes(key as "oneOf")));
  const branches = choices.flatMap((it) => (Array.isArray(schema[it]) ? schema[it].filter(isSchema) : []));
  const properties = Object.assign({}, ...branches.map(propertiesOf), propertiesOf(schema));
  const all = Array.isArray(schema.allOf) ? schema.allOf.filter(isSchema).flatMap(requiredOf) : [];
  const required = [...new Set([...requiredOf(schema), ...all])];
  const said = JSON.stringify(Object.fromEntries(choices.map((it) => [it, schema[it]])));
  const note = said.length > MAX_NOTE ? `Its input has to fit one of several forms.` : `Its input has to fit: ${said}`;
  return { schema: { ...rest, properties, ...(required.length ? { required } : {}) }, note };
}

/** Properties with names that the API refuses are left out where the model can do without them. */
function clean(value: unknown): unknown {
  if (typeof value === "string") return visible(value);
  if (Array.isArray(value)) return value.map(clean);
  if (!isSchema(value)) return value;
  const entries = Object.entries(value).map(([key, it]): [string, unknown] => [key, clean(it)]);
  const cleaned = Object.fromEntries(entries);
  if (!isSchema(cleaned.properties)) return cleaned;
  const odd = Object.keys(cleaned.properties).filter((it) => !PROPERTY.test(it));
  const needed = odd.find((it) => requiredOf(value).includes(it));
  if (needed !== undefined)
    throw new Error(
      `its input needs the property ${JSON.stringify(needed.slice(0, 80))}, a name that the model API refuses`,
    );
  for (const it of odd) delete cleaned.properties[it];
  return cleaned;
}
