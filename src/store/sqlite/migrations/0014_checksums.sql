-- Checksums of memories and of vectors, because SQLite does not notice a changed bit in
-- a row; checksum.rs writes them. Counts, so that a status reads no rows; triggers keep
-- them. And the order of age within a category, for listings.

CREATE TABLE memory_checksum (
    memory_id INTEGER PRIMARY KEY REFERENCES memory (id) ON DELETE CASCADE,
    checksum  INTEGER NOT NULL               -- of every column and the tags
) STRICT;

CREATE TABLE vector_checksum (
    vector_id INTEGER PRIMARY KEY REFERENCES memory_vector (id) ON DELETE CASCADE,
    checksum  INTEGER NOT NULL               -- of the numbers
) STRICT;

CREATE INDEX memory_by_category ON memory (category, created_at DESC, id DESC);

CREATE TABLE memory_count (
    project       TEXT    NOT NULL,
    category      TEXT    NOT NULL,
    active        INTEGER NOT NULL,
    superseded    INTEGER NOT NULL,
    archived      INTEGER NOT NULL,
    protected     INTEGER NOT NULL,          -- in any state
    content_bytes INTEGER NOT NULL,
    PRIMARY KEY (project, category)
) STRICT, WITHOUT ROWID;

INSERT INTO memory_count
SELECT project, category, sum(state = 'active'), sum(state = 'superseded'),
       sum(state = 'archived'), sum(protected), sum(octet_length(content))
FROM memory GROUP BY project, category;

CREATE TRIGGER memory_counted AFTER INSERT ON memory BEGIN
    INSERT INTO memory_count
    VALUES (new.project, new.category, new.state = 'active', new.state = 'superseded',
            new.state = 'archived', new.protected, octet_length(new.content))
    ON CONFLICT DO UPDATE SET
        active = active + excluded.active, superseded = superseded + excluded.superseded,
        archived = archived + excluded.archived, protected = protected + excluded.protected,
        content_bytes = content_bytes + excluded.content_bytes;
END;

CREATE TRIGGER memory_uncounted AFTER DELETE ON memory BEGIN
    UPDATE memory_count SET
        active = active - (old.state = 'active'),
        superseded = superseded - (old.state = 'superseded'),
        archived = archived - (old.state = 'archived'), protected = protected - old.protected,
        content_bytes = content_bytes - octet_length(old.content)
    WHERE project = old.project AND category = old.category;
    DELETE FROM memory_count WHERE project = old.project AND category = old.category
    AND active + superseded + archived < 1;
END;

CREATE TRIGGER memory_recounted AFTER UPDATE OF project, category, state, protected, content
ON memory BEGIN
    UPDATE memory_count SET
        active = active - (old.state = 'active'),
        superseded = superseded - (old.state = 'superseded'),
        archived = archived - (old.state = 'archived'), protected = protected - old.protected,
        content_bytes = content_bytes - octet_length(old.content)
    WHERE project = old.project AND category = old.category;
    INSERT INTO memory_count
    VALUES (new.project, new.category, new.state = 'active', new.state = 'superseded',
            new.state = 'archived', new.protected, octet_length(new.content))
    ON CONFLICT DO UPDATE SET
        active = active + excluded.active, superseded = superseded + excluded.superseded,
        archived = archived + excluded.archived, protected = protected + excluded.protected,
        content_bytes = content_bytes + excluded.content_bytes;
    DELETE FROM memory_count WHERE project = old.project AND category = old.category
    AND active + superseded + archived < 1;
END;

CREATE TABLE triple_count (
    project   INTEGER NOT NULL,
    predicate INTEGER NOT NULL,
    triples   INTEGER NOT NULL,              -- closed ones too
    closed    INTEGER NOT NULL,
    PRIMARY KEY (project, predicate)
) STRICT, WITHOUT ROWID;

INSERT INTO triple_count
SELECT project, predicate, count(*), count(closed) FROM triple GROUP BY project, predicate;

CREATE TRIGGER triple_counted AFTER INSERT ON triple BEGIN
    INSERT INTO triple_count VALUES (new.project, new.predicate, 1, new.closed IS NOT NULL)
    ON CONFLICT DO UPDATE SET triples = triples + 1, closed = closed + excluded.closed;
END;

CREATE TRIGGER triple_uncounted AFTER DELETE ON triple BEGIN
    UPDATE triple_count SET triples = triples - 1, closed = closed - (old.closed IS NOT NULL)
    WHERE project = old.project AND predicate = old.predicate;
    DELETE FROM triple_count
    WHERE project = old.project AND predicate = old.predicate AND triples < 1;
END;

CREATE TRIGGER triple_recounted AFTER UPDATE OF project, predicate, closed ON triple BEGIN
    UPDATE triple_count SET triples = triples - 1, closed = closed - (old.closed IS NOT NULL)
    WHERE project = old.project AND predicate = old.predicate;
    INSERT INTO triple_count VALUES (new.project, new.predicate, 1, new.closed IS NOT NULL)
    ON CONFLICT DO UPDATE SET triples = triples + 1, closed = closed + excluded.closed;
    DELETE FROM triple_count
    WHERE project = old.project AND predicate = old.predicate AND triples < 1;
END;

CREATE TABLE entity_count (entities INTEGER NOT NULL) STRICT;

INSERT INTO entity_count SELECT count(*) FROM entity;

CREATE TRIGGER entity_counted AFTER INSERT ON entity BEGIN
    UPDATE entity_count SET entities = entities + 1;
END;

CREATE TRIGGER entity_uncounted AFTER DELETE ON entity BEGIN
    UPDATE entity_count SET entities = entities - 1;
END;
