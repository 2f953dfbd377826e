-- The tables of one tenant. Names are unqualified: this runs with search_path set to the tenant's schema, as its owner.
-- Every id is a UUIDv7 made by the runtime, so primary keys grow at one end and sort by time.

-- A conversation of one user with one agent.
CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  agent text NOT NULL,
  user_id text NOT NULL,
  -- The run that asked for this conversation, when another agent is the "user".
  parent_run uuid,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_of_user ON sessions (agent, user_id, id DESC);

-- One question and all that it takes to answer it.
CREATE TABLE runs (
  id uuid PRIMARY KEY,
  session_id uuid NOT NULL REFERENCES sessions (id),
  agent text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'running', 'awaiting_agent', 'awaiting_approval', 'awaiting_batch',
                                       'completed', 'failed', 'cancelled')),
  -- Who works on it (a row of workers), and the number that grows with every claim: a write with an older one is refused.
  lease_owner uuid,
  fence integer NOT NULL DEFAULT 0,
  -- Counts the writes under one fence, so that a write whose answer was lost can be sent again and applies once.
  step integer NOT NULL DEFAULT 0,
  iteration integer NOT NULL DEFAULT 0,
  depth smallint NOT NULL DEFAULT 0,
  parent_run uuid,
  parent_tool_use text,
  cancel_requested boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  deadline timestamptz,
  finished_at timestamptz,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  cache_read_tokens bigint NOT NULL DEFAULT 0,
  cache_write_tokens bigint NOT NULL DEFAULT 0,
  usd numeric(18, 8) NOT NULL DEFAULT 0,
  model text NOT NULL,
  prompt text NOT NULL,
  variables jsonb,
  idempotency_key text,
  response text,
  stop_reason text,
  -- {"type", "message"}: what the client is told.
  error jsonb
) WITH (fillfactor = 80);
-- A session runs one run at a time: this index decides between two pods that want to start one.
CREATE UNIQUE INDEX runs_active_in_session ON runs (session_id)
  WHERE state IN ('running', 'awaiting_agent', 'awaiting_approval', 'awaiting_batch');
-- All that is not over: what is claimed, what is queued, what a session waits for.
CREATE INDEX runs_open ON runs (agent, session_id, id)
  WHERE state IN ('pending', 'running', 'awaiting_agent', 'awaiting_approval', 'awaiting_batch');
CREATE UNIQUE INDEX runs_idempotency ON runs (session_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_of_parent ON runs (parent_run) WHERE parent_run IS NOT NULL;

-- What was said, in order, as the Messages API takes it. A queued run's question joins when the run starts.
-- No foreign key here and below: each insert would lock and log the session's row once more; who erases a session
-- deletes its messages and its runs' tool_executions first, in the same transaction.
CREATE TABLE messages (
  session_id uuid NOT NULL,
  seq integer NOT NULL,
  run_id uuid NOT NULL,
  role text NOT NULL CHECK (role IN ('user', 'assistant')),
  content jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (session_id, seq)
);

-- A tool call. The row is committed before the tool runs; `running` after a crash means: cut short.
CREATE TABLE tool_executions (
  run_id uuid NOT NULL,
  tool_use_id text NOT NULL,
  name text NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'completed', 'failed')),
  attempts smallint NOT NULL DEFAULT 1,
  is_error boolean,
  -- What the tool is told, so that it can recognise a call that is repeated.
  idempotency_key uuid NOT NULL,
  -- The run of the other agent, when the tool is one.
  child_run uuid,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  input jsonb NOT NULL,
  output text,
  PRIMARY KEY (run_id, tool_use_id)
) WITH (fillfactor = 80);

-- Spend by UTC day.
CREATE TABLE usage_daily (
  day date NOT NULL,
  agent text NOT NULL,
  model text NOT NULL,
  runs bigint NOT NULL DEFAULT 0,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  cache_read_tokens bigint NOT NULL DEFAULT 0,
  cache_write_tokens bigint NOT NULL DEFAULT 0,
  usd numeric(18, 8) NOT NULL DEFAULT 0,
  PRIMARY KEY (day, agent, model)
) WITH (fillfactor = 50);

-- Append-only. hash = sha256(prev_hash || record); the record is kept as the text that was hashed.
CREATE TABLE audit (
  seq bigint PRIMARY KEY,
  at timestamptz NOT NULL,
  prev_hash bytea NOT NULL,
  hash bytea NOT NULL,
  record text NOT NULL
);
-- The end of the chain: appenders take turns on this row, and a truncated chain no longer matches it.
CREATE TABLE audit_head (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  seq bigint NOT NULL,
  hash bytea NOT NULL
) WITH (fillfactor = 10);
INSERT INTO audit_head (seq, hash) VALUES (0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- Runtime processes that are alive. One renewal here keeps all leases of a process.
CREATE TABLE workers (
  id uuid PRIMARY KEY,
  agent text NOT NULL,
  expires_at timestamptz NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  -- What the process says of itself, for the operator: {"pod", "credentials", "problem": {"reason", "message"} or null}.
  report jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 20);
