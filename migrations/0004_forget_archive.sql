-- Lets users erase their own conversations after compaction.

-- Originals of messages are the owner's to delete: this lets the runtime delete those of sessions that are gone, and no others.
-- The search path is this schema's, with pg_temp last: nobody can put a table of their own in the way.
CREATE FUNCTION forget_archive(ids uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  DELETE FROM message_archive a
  WHERE a.session_id = ANY (ids) AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = a.session_id)
$$;
