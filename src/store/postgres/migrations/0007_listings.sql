-- Indexes that lead to a listing in the order of age; see migration 0016 of the SQLite
-- room. The triggers also serve nodes of the version before, which know nothing of the
-- new columns.
ALTER TABLE memory_tag ADD COLUMN state text COLLATE "C";
ALTER TABLE memory_tag ADD COLUMN time bigint;  -- when it was said, or else recorded

UPDATE memory_tag t SET state = m.state, time = coalesce(m.said_at, m.created_at)
FROM memory m WHERE m.id = t.memory_id;

CREATE FUNCTION date_memory_tag() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT state, coalesce(said_at, created_at) INTO new.state, new.time
    FROM memory WHERE id = new.memory_id;
    RETURN new;
END $$;

CREATE FUNCTION redate_memory_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE memory_tag SET state = new.state, time = coalesce(new.said_at, new.created_at)
    WHERE memory_id = new.id;
    RETURN NULL;
END $$;

CREATE TRIGGER memory_tag_dated BEFORE INSERT ON memory_tag
FOR EACH ROW EXECUTE FUNCTION date_memory_tag();

CREATE TRIGGER memory_tags_redated AFTER UPDATE OF state, said_at, created_at ON memory
FOR EACH ROW WHEN (new.state <> old.state
    OR coalesce(new.said_at, new.created_at) <> coalesce(old.said_at, old.created_at))
EXECUTE FUNCTION redate_memory_tags();

DROP INDEX memory_by_tag;
DROP INDEX memory_by_age;
CREATE INDEX memory_by_tag ON memory_tag (tag, state, time, memory_id);
CREATE INDEX memory_by_age ON memory (state, coalesce(said_at, created_at), id);
CREATE INDEX memory_by_category ON memory (category, state, coalesce(said_at, created_at), id);
CREATE INDEX memory_by_project
    ON memory (project, category, state, coalesce(said_at, created_at), id);
CREATE INDEX memory_by_thread_age ON memory (thread, state, coalesce(said_at, created_at), id);
