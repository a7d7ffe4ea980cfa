-- When a memory was said or happened, where that is not when it was recorded, and the
-- order of age by it; see migration 0015 of the SQLite room.
ALTER TABLE memory ADD COLUMN said_at bigint;
ALTER TABLE memory_edit ADD COLUMN said_at bigint;

DROP INDEX memory_by_age;
CREATE INDEX memory_by_age ON memory (coalesce(said_at, created_at), id);
