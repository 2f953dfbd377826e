import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** What Ajv asks of a regular expression. */
export interface Pattern {
  test(text: string): boolean;
  toString(): string;
}

export type InputCheck = (input: unknown) => string | undefined;

const describe = ({ instancePath, message, params }: ErrorObject): string => {
  const where = instancePath ? instancePath.slice(1).replaceAll("/", ".") : "input";
  const extra =
    "additionalProperty" in params
      ? `: ${params.additionalProperty}`
      : "allowedValues" in params
        ? `: ${params.allowedValues.join(", ")}`
        : "";
  return `${where} ${message ?? "is wrong"}${extra}`;
};

const MOST_REFERENCES = 32;

const referencesIn = (schema: object): number => JSON.stringify(schema).match(/"\$(?:dynamicRef|ref)":/g)?.length ?? 0;

/** Compiles JSON Schemas (draft 2020-12), each once. */
export class InputChecks {
  readonly #ajv: Ajv2020;
  readonly #strangers: boolean;

  /** @param regExp what patterns are made with, when the schemas are a stranger's */
  constructor(regExp?: (pattern: string) => Pattern) {
    this.#strangers = regExp !== undefined;
    const code = regExp ? { code: { regExp: Object.assign(regExp, { code: "" }) as never } } : {};
    this.#ajv = new Ajv2020({ strict: false, allErrors: true, logger: false, ...code });
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
  }

  /** @returns a check that says what is wrong with an input, for the model. @throws when the schema itself is wrong */
  compile(schema: Record<string, unknown>): InputCheck {
    // Ids of two tools may be the same; and with $async a check would be a promise, which is true whatever the input is.
    const { $id: _, $async: _async, ...anonymous } = schema;
    if (this.#strangers && referencesIn(anonymous) > MOST_REFERENCES)
      throw new Error(`it has more than ${MOST_REFERENCES} references: each may double the work of a check`);
    const validate: ValidateFunction = this.#ajv.compile(anonymous);
    return (input) => {
      try {
        return validate(input) ? undefined : (validate.errors ?? []).slice(0, 10).map(describe).join("; ");
      } catch {
        return "it could not be checked: the tool's schema refers to itself without an end";
      }
    };
  }
}
