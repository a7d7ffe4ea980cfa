-- Procedures: definitions by hash, executions with their journals, and the
-- calls of skills that definitions can be made of. Independent of the others.

CREATE TABLE procedure (
    hash        TEXT    NOT NULL PRIMARY KEY,  -- SHA-256 of the definition, in hex
    name        TEXT    NOT NULL,
    version     TEXT    NOT NULL,
    current     INTEGER NOT NULL,              -- the one of its name and version
    defined_at  INTEGER NOT NULL,
    description TEXT    NOT NULL,
    definition  TEXT    NOT NULL               -- JSON
) STRICT;

CREATE UNIQUE INDEX procedure_by_name ON procedure (name, version) WHERE current;

CREATE TABLE execution (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT    NOT NULL UNIQUE,
    hash            TEXT    NOT NULL REFERENCES procedure (hash),
    name            TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    depth           INTEGER NOT NULL,
    cancel          INTEGER NOT NULL DEFAULT 0,
    active          INTEGER NOT NULL,          -- it can go on without a person
    owner           TEXT,                      -- the store that drives it
    wake_at         INTEGER,                   -- to be looked at although it waits
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    entries         INTEGER NOT NULL,          -- of its journal
    parent          TEXT,
    idempotency_key TEXT
) STRICT;

CREATE UNIQUE INDEX execution_by_key    ON execution (name, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX        execution_by_status ON execution (status, number);
CREATE INDEX        execution_by_name   ON execution (name, number);
CREATE INDEX        execution_by_age    ON execution (updated_at);
CREATE INDEX        execution_to_drive  ON execution (owner, number) WHERE active;
CREATE INDEX        execution_to_wake   ON execution (wake_at) WHERE wake_at IS NOT NULL;

-- Intents and results, in order. Never changed.
CREATE TABLE journal (
    execution INTEGER NOT NULL REFERENCES execution (number),
    number    INTEGER NOT NULL,                -- from 1
    entry     TEXT    NOT NULL,                -- JSON
    PRIMARY KEY (execution, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE recorded_call (
    number    INTEGER PRIMARY KEY,
    id        TEXT    NOT NULL UNIQUE,
    called_at INTEGER NOT NULL,
    tool      TEXT    NOT NULL,
    arguments TEXT    NOT NULL                 -- JSON, secrets left out
) STRICT;
