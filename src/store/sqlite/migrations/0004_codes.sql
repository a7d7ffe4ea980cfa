-- One-bit codes of the vectors, in blocks of about a page, each of one project.
-- A block is derived from memory_vector and from the project of its memories,
-- which never changes. Vectors get ids of their own: what has none can be given
-- another by VACUUM, and blocks name them.

CREATE TABLE memory_vector_4 (
    id        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    memory_id INTEGER NOT NULL REFERENCES memory (id),
    model_id  INTEGER NOT NULL REFERENCES embedding_model (id),
    window    INTEGER NOT NULL,
    vector    BLOB    NOT NULL
) STRICT;

INSERT INTO memory_vector_4 (memory_id, model_id, window, vector)
SELECT memory_id, model_id, window, vector FROM memory_vector ORDER BY rowid;

DROP TABLE memory_vector;
ALTER TABLE memory_vector_4 RENAME TO memory_vector;

CREATE UNIQUE INDEX memory_vector_by_memory ON memory_vector (memory_id, model_id, window);

-- The vectors of a model up to this id have their codes in blocks.
ALTER TABLE embedding_model ADD COLUMN coded INTEGER NOT NULL DEFAULT 0;

CREATE TABLE memory_code (
    id       INTEGER PRIMARY KEY,
    model_id INTEGER NOT NULL REFERENCES embedding_model (id),
    project  TEXT    NOT NULL,
    vectors  INTEGER NOT NULL,              -- how many
    block    BLOB    NOT NULL               -- their ids as little-endian i64, then their codes
) STRICT;

CREATE INDEX memory_code_by_project ON memory_code (model_id, project);
