import type { z } from "zod";
import { Problem } from "./problem.ts";

/** What a request brought, as it has to be. @throws Problem that names the field */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Problem(
    400,
    "malformed-request",
    `${issue?.path.join(".") || "the request"}: ${issue?.message ?? "is wrong"}`,
  );
}

export const queryOf = <Schema extends z.ZodType>(schema: Schema, query: URLSearchParams): z.output<Schema> =>
  checked(schema, Object.fromEntries(query));
