-- An index whose condition names `state` made each change of a call's state a new entry in every index of the table, and cost two
-- thirds more WAL. Nobody needs it: what waits for a person is found by the runs that wait (runs_open), and those by their calls.
DROP INDEX tool_executions_waiting;
