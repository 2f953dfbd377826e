/**
 * The parts of a WITH that chain one line to the tenant's audit log: writers take turns on its head.
 * @param at the parameter with the line's time
 * @param record the parameter with the text that is hashed
 * @param condition without it being true, nothing is appended
 */
export const auditLink = (at: string, record: string, condition = "true"): string => `head AS MATERIALIZED (
  SELECT seq, hash FROM audit_head WHERE ${condition} FOR UPDATE
), link AS MATERIALIZED (
  SELECT seq + 1 AS seq, hash AS prev_hash, sha256(hash || convert_to(${record}::text, 'UTF8')) AS hash FROM head
), appended AS (
  INSERT INTO audit (seq, at, prev_hash, hash, record)
  SELECT seq, ${at}::timestamptz, prev_hash, hash, ${record}::text FROM link
), moved AS (
  UPDATE audit_head h SET seq = link.seq, hash = link.hash FROM link
)`;
