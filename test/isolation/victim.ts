import type { TenantDatabaseNames } from "../../src/api/names.ts";

/** Rows in the tables of AgentPG, each with the secret in it, written with the tenant's own login. */
export const fillVictim = ({ schema }: TenantDatabaseNames, secret: string): string => `SET search_path = ${schema};
  INSERT INTO sessions (id, agent, user_id, metadata)
    SELECT gen_random_uuid(), '${secret}', '${secret}', '{"note": "${secret}"}' FROM generate_series(1, 50);
  INSERT INTO runs (id, session_id, agent, state, model, prompt, response)
    SELECT gen_random_uuid(), id, '${secret}', 'completed', 'claude', '${secret}', '${secret}' FROM sessions;
  INSERT INTO messages (session_id, seq, run_id, role, content)
    SELECT session_id, 1, id, 'user', '{"text": "${secret}"}' FROM runs;
  INSERT INTO audit (seq, at, prev_hash, hash, record) VALUES (1, now(), '\\x00', '\\x01', '${secret}');
  INSERT INTO workers (id, agent, expires_at, report)
    VALUES (gen_random_uuid(), '${secret}', 'infinity', '{"pod": "${secret}", "credentials": "", "problem": null}');`;
