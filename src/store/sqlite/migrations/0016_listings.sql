-- A listing is read in the order of age, so every index that leads to one has the state
-- and the age of memories behind its own columns. A tag has those of its memory; triggers
-- keep them. The state is an expression, or SQLite, which takes any equality for rare,
-- would read all active memories where another index leads to a few; rows.rs repeats it.
ALTER TABLE memory_tag ADD COLUMN state TEXT;
ALTER TABLE memory_tag ADD COLUMN time INTEGER;  -- when it was said, or else recorded

UPDATE memory_tag SET (state, time) =
    (SELECT state, coalesce(said_at, created_at) FROM memory WHERE id = memory_id);

CREATE TRIGGER memory_tag_dated AFTER INSERT ON memory_tag BEGIN
    UPDATE memory_tag SET (state, time) =
        (SELECT state, coalesce(said_at, created_at) FROM memory WHERE id = new.memory_id)
    WHERE memory_id = new.memory_id AND tag = new.tag;
END;

CREATE TRIGGER memory_tags_redated AFTER UPDATE OF state, said_at, created_at ON memory
WHEN new.state <> old.state
    OR coalesce(new.said_at, new.created_at) <> coalesce(old.said_at, old.created_at)
BEGIN
    UPDATE memory_tag SET state = new.state, time = coalesce(new.said_at, new.created_at)
    WHERE memory_id = new.id;
END;

DROP INDEX memory_by_tag;
DROP INDEX memory_by_age;
DROP INDEX memory_by_category;
CREATE INDEX memory_by_tag ON memory_tag (tag, state, time DESC, memory_id DESC);
CREATE INDEX memory_by_age ON memory (state || '', coalesce(said_at, created_at) DESC, id DESC);
CREATE INDEX memory_by_category
    ON memory (category, state || '', coalesce(said_at, created_at) DESC, id DESC);
CREATE INDEX memory_by_project
    ON memory (project, category, state || '', coalesce(said_at, created_at) DESC, id DESC);
CREATE INDEX memory_by_thread_age
    ON memory (thread, state || '', coalesce(said_at, created_at) DESC, id DESC);
