import type { SchemaName } from "../../api/names.ts";
import type { Queryable } from "../session.ts";
import type { ObservedRowSecurity } from "./state.ts";

/** Row-level security of all tables of a schema. */
export async function observeRowSecurity(client: Queryable, schema: SchemaName): Promise<ObservedRowSecurity[]> {
  const { rows } = await client.query<ObservedRowSecurity>(
    `SELECT n.nspname AS schema, c.relname AS table, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
            (SELECT coalesce(json_agg(json_build_object(
                      'name', p.polname, 'command', p.polcmd, 'permissive', p.polpermissive, 'forPublic', p.polroles = '{0}',
                      'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)) ORDER BY p.polname), '[]')
               FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p') ORDER BY 2`,
    [schema],
  );
  return rows;
}
