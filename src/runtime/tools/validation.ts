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

/** Compiles JSON Schemas (draft 2020-12), each once. */
export class InputChecks {
  readonly #ajv: Ajv2020;

  /** @param regExp what patterns are made with, when the schemas are a stranger's */
  constructor(regExp?: (pattern: string) => Pattern) {
    const code = regExp ? { code: { regExp: Object.assign(regExp, { code: "" }) as never } } : {};
    this.#ajv = new Ajv2020({ strict: false, allErrors: true, logger: false, ...code });
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
  }

  /** @returns a check that says what is wrong with an input, for the model. @throws when the schema itself is wrong */
  compile(schema: Record<string, unknown>): InputCheck {
    const { $id: _, ...anonymous } = schema; // ids of two tools may be the same
    const validate: ValidateFunction = this.#ajv.compile(anonymous);
    return (input) => (validate(input) ? undefined : (validate.errors ?? []).slice(0, 10).map(describe).join("; "));
  }
}
