-- Names of entities are equal by Unicode form, case and white space alone; their
-- words, by which they were equal before, only find them. The new keys are not
-- SQL's to make: entity_names.rs moves the rows and drops the old table.

ALTER TABLE entity_name RENAME TO entity_name_by_words;
DROP INDEX entity_name_backwards;
DROP INDEX entity_name_by_entity;

CREATE TABLE entity_name (
    key       TEXT    NOT NULL,              -- text::identity
    project   INTEGER NOT NULL REFERENCES graph_word (id),
    entity    INTEGER NOT NULL,
    backwards TEXT    NOT NULL,
    words     TEXT    NOT NULL,              -- text::name_words
    name      TEXT    NOT NULL,
    PRIMARY KEY (key, project, entity)
) STRICT, WITHOUT ROWID;

CREATE INDEX entity_name_backwards ON entity_name (backwards, project, entity);
CREATE INDEX entity_name_by_entity ON entity_name (entity, project);
CREATE INDEX entity_name_words ON entity_name (words, project, entity);
