-- What retention, erasure and export need.

-- A session's runs: without it, to delete a session Postgres would read all runs.
CREATE INDEX runs_of_session ON runs (session_id, id);

-- Originals of messages that compaction took out of a conversation. No foreign key, as with messages.
CREATE TABLE message_archive (
  session_id uuid NOT NULL,
  seq integer NOT NULL,
  run_id uuid NOT NULL,
  role text NOT NULL CHECK (role IN ('user', 'assistant')),
  content jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  archived_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (session_id, seq)
);
CREATE INDEX message_archive_by_age ON message_archive (archived_at);

-- The operator's own notes on the age of this schema; the runtime may only read them. Not columns of audit_head: there every
-- run would wait for retention's lock, and the runtime could move the beginning of the chain.
CREATE TABLE lifecycle (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  -- The last audit row that retention removed: the chain goes on from its hash.
  audit_start_seq bigint NOT NULL DEFAULT 0,
  audit_start_hash bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000',
  -- Rows that retention removed and no audit row tells of yet: counted by the transactions that remove, so no crash loses a count.
  removed jsonb NOT NULL DEFAULT '{}'
);
INSERT INTO lifecycle DEFAULT VALUES;
