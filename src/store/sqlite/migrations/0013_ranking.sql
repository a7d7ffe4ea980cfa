-- What the ranking needs to know of a memory and of its surroundings in its thread,
-- kept at write time, so that no search reads texts. Derived from `memory` and
-- `memory_vector`; features.rs writes it. The counts of a thread and of its blocks
-- are of all that was ever stored there: they tell talk from notes, no more.

CREATE TABLE thread_talk (
    id          INTEGER PRIMARY KEY,
    thread      TEXT    NOT NULL UNIQUE,
    memories    INTEGER NOT NULL DEFAULT 0,
    questions   INTEGER NOT NULL DEFAULT 0,  -- how many hold a question mark
    apart       REAL    NOT NULL DEFAULT 0,  -- sum of cosines of memories far from each other
    apart_pairs INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Positions 0 to 9 of a thread, 10 to 19, and so on.
CREATE TABLE thread_block (
    thread_id INTEGER NOT NULL REFERENCES thread_talk (id),
    block     INTEGER NOT NULL,
    memories  INTEGER NOT NULL DEFAULT 0,
    labelled  INTEGER NOT NULL DEFAULT 0,    -- with the label of a speaker
    questions INTEGER NOT NULL DEFAULT 0,
    adjacent  REAL    NOT NULL DEFAULT 0,    -- sum of cosines of memories and their predecessors
    pairs     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (thread_id, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE memory_feature (
    memory_id INTEGER PRIMARY KEY REFERENCES memory (id),
    thread_id INTEGER NOT NULL REFERENCES thread_talk (id),
    words     INTEGER NOT NULL,
    question  INTEGER NOT NULL,              -- 0: none, 1: somewhere, 2: at the end
    time_word INTEGER NOT NULL,
    day       INTEGER,                       -- the date the text begins with, days since 1970
    label     TEXT,                          -- text before the first colon
    numbered  TEXT                           -- lines of a word and its number: room 2
) STRICT;

-- How many memories of a thread have a label: a name that several share is a speaker.
CREATE TABLE thread_label (
    thread_id INTEGER NOT NULL REFERENCES thread_talk (id),
    label     TEXT    NOT NULL,
    memories  INTEGER NOT NULL,
    PRIMARY KEY (thread_id, label)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER memory_feature_label_added AFTER INSERT ON memory_feature
WHEN new.label IS NOT NULL BEGIN
    INSERT INTO thread_label VALUES (new.thread_id, new.label, 1)
    ON CONFLICT DO UPDATE SET memories = memories + 1;
END;

CREATE TRIGGER memory_feature_label_removed AFTER DELETE ON memory_feature
WHEN old.label IS NOT NULL BEGIN
    UPDATE thread_label SET memories = memories - 1
    WHERE thread_id = old.thread_id AND label = old.label;
    DELETE FROM thread_label
    WHERE thread_id = old.thread_id AND label = old.label AND memories < 1;
END;
