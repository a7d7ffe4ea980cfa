-- When a memory was said or happened, where that is not when it was recorded. Age is then
-- counted from there, so the orders of age have one expression over both; store/columns.rs
-- has the same, and the indexes serve only queries that write it so.
ALTER TABLE memory ADD COLUMN said_at INTEGER;
ALTER TABLE memory_edit ADD COLUMN said_at INTEGER;

DROP INDEX memory_by_age;
DROP INDEX memory_by_category;
CREATE INDEX memory_by_age ON memory (coalesce(said_at, created_at) DESC, id DESC);
CREATE INDEX memory_by_category
    ON memory (category, coalesce(said_at, created_at) DESC, id DESC);
