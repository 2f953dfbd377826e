-- What the run engine needs to wait: for a person, for a batch, for a later moment, and for room in the budget.
-- Runtimes of the version before go on working on this: they do not claim what they do not know.

ALTER TABLE runs
  -- A run that waits is looked at again then, whatever it waits for. A `running` run with it and without a worker was snoozed.
  ADD COLUMN wake_at timestamptz,
  -- The message batch that its next answer comes with: our own name for it, written before it is submitted, and the API's.
  ADD COLUMN batch_group uuid,
  ADD COLUMN batch_id text,
  ADD COLUMN batch_submitted_at timestamptz,
  -- How often it was put into a batch: each answer takes one, what is more was in vain.
  ADD COLUMN batch_submissions smallint NOT NULL DEFAULT 0,
  -- What the answer may cost at most: spoken for while it is in a batch.
  ADD COLUMN batch_usd numeric(18, 8) NOT NULL DEFAULT 0,
  ADD COLUMN batch_tokens bigint NOT NULL DEFAULT 0;

ALTER TABLE tool_executions DROP CONSTRAINT tool_executions_state_check;
ALTER TABLE tool_executions
  -- `approved`: it may run and has not: somebody said yes, or the tool asked to be called again later.
  ADD CONSTRAINT tool_executions_state_check
    CHECK (state IN ('awaiting_approval', 'approved', 'running', 'completed', 'failed')),
  ADD COLUMN approval_until timestamptz,
  ADD COLUMN approval_at timestamptz,
  -- Who decided; null when nobody did in time.
  ADD COLUMN approval_by text;
-- What waits for a person.
CREATE INDEX tool_executions_waiting ON tool_executions (run_id) WHERE state = 'awaiting_approval';

ALTER TABLE sessions ADD COLUMN compactions integer NOT NULL DEFAULT 0;

-- What a worker may spend without asking again. It is void when the worker's lease is.
ALTER TABLE workers
  ADD COLUMN reserved_usd numeric(18, 8) NOT NULL DEFAULT 0,
  ADD COLUMN reserved_tokens bigint NOT NULL DEFAULT 0;
-- Workers take turns on this row to reserve: two must not be given the same rest of a budget.
CREATE TABLE budget (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton)
);
INSERT INTO budget DEFAULT VALUES;
