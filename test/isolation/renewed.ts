import { anAttacker, type Field, sqlOf, superuser, type Where } from "./field.ts";

/** Takes away what a weakness gave to the attacker's login, in this database and for the server. */
const CLEAN = (login: string, limit: number, kept: string[]) => `DROP OWNED BY ${login} CASCADE;
  ALTER ROLE ${login} NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS CONNECTION LIMIT ${limit};
  ALTER ROLE ${login} RESET temp_file_limit;
  DO $$ DECLARE role text; BEGIN
    FOR role IN SELECT roleid::regrole::text FROM pg_auth_members
                 WHERE member = '${login}'::regrole AND roleid::regrole::text NOT IN (${kept.map((it) => `'${it}'`).join()})
    LOOP EXECUTE format('REVOKE %s FROM ${login} CASCADE', role); END LOOP;
  END $$;`;

/**
 * The field as it was meant to be after a weakened run: the attacker's extra rights are gone, or it is another attacker where
 * it was spoilt. What opened the victim to all stays: the victim of weakened runs is nobody else's.
 */
export async function renewed(field: Field, spoilt: boolean): Promise<Field> {
  const { leader, b } = field;
  if (spoilt) return { ...field, b: await anAttacker(leader, field.tier), unconfined: false };
  const places: Where[] = field.tier === "Schema" ? ["own"] : ["own", "victim", "operator"];
  const clean = CLEAN(b.connection.user, b.request.connectionLimit, [b.names.readWrite, b.names.tool]);
  for (const where of places) await superuser(field, where).query(sqlOf(field, () => clean));
  return { ...field, unconfined: false };
}
