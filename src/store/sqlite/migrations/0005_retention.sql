-- When memories were cleaned up, by whichever Mimo, and what came of it: a run
-- that was cut off has no end, and counts what it had done by then.

CREATE TABLE retention_run (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- so the greatest counts them all
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    idle        INTEGER NOT NULL DEFAULT 0, -- archived: not used for long
    beyond      INTEGER NOT NULL DEFAULT 0, -- archived: more than may be active
    purged      INTEGER NOT NULL DEFAULT 0  -- erased: archived for long
) STRICT;

CREATE INDEX memory_archived       ON memory (updated_at) WHERE state = 'archived';
CREATE INDEX memory_edit_by_memory ON memory_edit (memory_id);
