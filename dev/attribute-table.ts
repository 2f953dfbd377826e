// The table of docs/observability.md, from what spans can say.
import { ATTRIBUTES } from "../src/runtime/tracing/attributes.ts";
import { withTable } from "./marked-table.ts";

/** The page with its table as it is in the code. */
export function withAttributeTable(page: string): string {
  const rows = Object.entries(ATTRIBUTES).map(
    ([name, meaning]) => `| \`${name}\` | ${meaning.replaceAll("|", "\\|")} |`,
  );
  return withTable(page, "attributes", ["| Name | Meaning |", "|---|---|", ...rows].join("\n"));
}
