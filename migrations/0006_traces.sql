-- Where in which trace the run was asked for, as W3C Trace Context writes it; null: nobody traced that. Whoever works on the run goes on there.
ALTER TABLE runs ADD COLUMN trace text;
