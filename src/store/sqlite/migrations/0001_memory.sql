-- Memories, their keyword index, their vectors, and the record of edits.
-- Times are microseconds since 1970 (UTC). Long columns stand last, so that a
-- scan over the short ones never walks an overflow page.

CREATE TABLE memory (
    id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    project      TEXT    NOT NULL,
    category     TEXT    NOT NULL,
    importance   REAL    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('active', 'superseded', 'archived')),
    protected    INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,          -- when this version was recorded
    retired_at   INTEGER,                   -- when a later version replaced it
    valid_until  INTEGER,
    updated_at   INTEGER NOT NULL,
    recalled_at  INTEGER,
    recall_count INTEGER NOT NULL DEFAULT 0,
    revision     INTEGER NOT NULL DEFAULT 1, -- counts changes, so that an undo can tell
    supersedes   INTEGER REFERENCES memory (id),
    position     INTEGER NOT NULL,          -- place in the thread, from 1
    text_key     BLOB    NOT NULL,          -- SHA-256 of the normalised text
    thread       TEXT    NOT NULL,
    topic_key    TEXT,
    content      TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX memory_by_text   ON memory (project, text_key)  WHERE state = 'active';
CREATE UNIQUE INDEX memory_by_topic  ON memory (project, topic_key) WHERE state = 'active' AND topic_key IS NOT NULL;
CREATE INDEX        memory_by_thread ON memory (thread, position);
CREATE INDEX        memory_by_age    ON memory (created_at DESC, id DESC);
CREATE INDEX        memory_by_older  ON memory (supersedes) WHERE supersedes IS NOT NULL;

CREATE TABLE memory_tag (
    memory_id INTEGER NOT NULL REFERENCES memory (id),
    tag       TEXT    NOT NULL,
    PRIMARY KEY (memory_id, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX memory_by_tag ON memory_tag (tag, memory_id);

-- The text goes in as the words that text::words makes of it (runs of Chinese,
-- Japanese and Korean as overlapping pairs); only the stemming is SQLite's.
CREATE VIRTUAL TABLE memory_words USING fts5 (
    words,
    content = '',
    contentless_delete = 1,
    tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TABLE embedding_model (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    dimensions INTEGER NOT NULL
) STRICT;

-- One row a window of a memory's text: little-endian f32, of unit length.
CREATE TABLE memory_vector (
    memory_id INTEGER NOT NULL REFERENCES memory (id),
    model_id  INTEGER NOT NULL REFERENCES embedding_model (id),
    window    INTEGER NOT NULL,
    vector    BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX memory_vector_by_memory ON memory_vector (memory_id, model_id, window);

-- What each edited memory was before, for undo: one row a memory and edit.
CREATE TABLE memory_edit (
    undo_id      TEXT    NOT NULL,
    memory_id    INTEGER NOT NULL REFERENCES memory (id),
    revision     INTEGER NOT NULL,          -- the memory's revision after the edit
    edited_at    INTEGER NOT NULL,
    text_changed INTEGER NOT NULL,
    importance   REAL    NOT NULL,
    state        TEXT    NOT NULL,
    protected    INTEGER NOT NULL,
    reason       TEXT,
    tags         TEXT    NOT NULL,          -- a JSON array
    content      TEXT    NOT NULL,
    PRIMARY KEY (undo_id, memory_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memory_edit_by_age ON memory_edit (edited_at);
