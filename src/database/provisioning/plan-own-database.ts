import type { SchemaName } from "../../api/names.ts";
import type { ObservedDatabase } from "./state.ts";
import type { Step } from "./step.ts";

/** What has to be done to a tenant's own database, as others see it, in this order: nobody may connect before PUBLIC may not. Pure. */
export function planOwnDatabase(found: ObservedDatabase | undefined, database: SchemaName): Step[] {
  const step = (
    kind: "createDatabase" | "closeDatabase" | "forbidCopies" | "allowConnections",
    due: boolean,
  ): Step[] => (due ? [{ kind, database }] : []);
  return [
    ...step("createDatabase", !found),
    ...step("closeDatabase", found?.openToPublic ?? true),
    ...step("forbidCopies", found?.isTemplate ?? false),
    ...step("allowConnections", !found?.allowsConnections),
  ];
}
