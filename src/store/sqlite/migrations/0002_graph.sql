-- The graph: a dictionary of words, entities with their names, triples with
-- their history, and which memories name which entities. Triples are integers
-- throughout, and three covering indexes answer every combination of known
-- parts. Times are microseconds since 1970 (UTC).

CREATE TABLE graph_word (
    id   INTEGER PRIMARY KEY,
    word TEXT    NOT NULL UNIQUE,
    uses INTEGER NOT NULL DEFAULT 0         -- triples ever entered with it as predicate
) STRICT;

CREATE TABLE entity (
    id   INTEGER PRIMARY KEY,               -- its type's word << 32 | a number
    key  TEXT    NOT NULL UNIQUE,           -- type:id
    name TEXT    NOT NULL
) STRICT;

-- Under which names an entity is known in which project. The key is also kept
-- backwards: names that differ in one place share a long beginning or a long end.
CREATE TABLE entity_name (
    key       TEXT    NOT NULL,
    project   INTEGER NOT NULL REFERENCES graph_word (id),
    entity    INTEGER NOT NULL,
    backwards TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    PRIMARY KEY (key, project, entity)
) STRICT, WITHOUT ROWID;

CREATE INDEX entity_name_backwards ON entity_name (backwards, project, entity);
CREATE INDEX entity_name_by_entity ON entity_name (entity, project);

CREATE TABLE triple (
    id          INTEGER PRIMARY KEY,
    subject     INTEGER NOT NULL,
    predicate   INTEGER NOT NULL,
    object      INTEGER NOT NULL,
    project     INTEGER NOT NULL,
    since       INTEGER NOT NULL,           -- holds from then on
    until       INTEGER,                    -- and before then
    confidence  REAL    NOT NULL,
    source      INTEGER,
    recorded_at INTEGER NOT NULL,
    closed      TEXT CHECK (closed IN ('retracted', 'superseded')),
    closed_at   INTEGER
) STRICT;

CREATE INDEX triple_spo ON triple (subject, predicate, object, project, since, until, confidence);
CREATE INDEX triple_pos ON triple (predicate, object, subject, project, since, until, confidence);
CREATE INDEX triple_osp ON triple (object, subject, predicate, project, since, until, confidence);

CREATE TABLE memory_entity (
    memory_id INTEGER NOT NULL REFERENCES memory (id) ON DELETE CASCADE,
    entity    INTEGER NOT NULL,
    PRIMARY KEY (memory_id, entity)
) STRICT, WITHOUT ROWID;

CREATE INDEX memory_entity_by_entity ON memory_entity (entity, memory_id);
