import type { TenantDatabaseNames } from "../../api/names.ts";
import { catalogName } from "../quote.ts";
import { type ObservedObject, PUBLIC } from "./state.ts";

/** The default privileges of an owner role that has set none: what Postgres has built in, EXECUTE on functions for PUBLIC. */
export function builtInDefaults(names: TenantDatabaseNames): ObservedObject[] {
  const owner = catalogName(names.owner);
  return [undefined, names.schema, names.dataSchema].flatMap((schema) =>
    (["TABLES", "SEQUENCES", "FUNCTIONS"] as const).map((objects) => ({
      object: { kind: "defaults", schema, objects },
      owner,
      grants:
        schema === undefined && objects === "FUNCTIONS"
          ? [{ grantee: PUBLIC, privilege: "EXECUTE", grantable: false }]
          : [],
      columnGrants: [],
    })),
  );
}
