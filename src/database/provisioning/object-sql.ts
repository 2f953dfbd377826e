import { catalogIdentifier, identifier, qualified } from "../quote.ts";
import type { Securable } from "./state.ts";

/** How a statement names the object. */
export function objectSql(object: Securable): string {
  switch (object.kind) {
    case "database":
      return `DATABASE ${catalogIdentifier(object.name)}`;
    case "publicSchema":
      return "SCHEMA public";
    case "schema":
      return `SCHEMA ${identifier(object.schema)}`;
    case "table":
    case "view":
      return `TABLE ${qualified(object.schema, object.name)}`;
    case "sequence":
      return `SEQUENCE ${qualified(object.schema, object.name)}`;
    case "routine":
      return `ROUTINE ${object.signature}`;
    case "defaults":
      throw new TypeError("default privileges are no object");
  }
}
