-- Projects fence definitions, executions and recorded calls. A definition's text
-- is stored once by its hash; each project names its own current versions.

CREATE TABLE procedure_name (
    project    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    hash       TEXT    NOT NULL REFERENCES procedure (hash),
    defined_at INTEGER NOT NULL,
    PRIMARY KEY (project, name, version)
) STRICT, WITHOUT ROWID;

INSERT INTO procedure_name (project, name, version, hash, defined_at)
SELECT 'global', name, version, hash, defined_at FROM procedure WHERE current;

DROP INDEX procedure_by_name;
ALTER TABLE procedure DROP COLUMN current;
ALTER TABLE procedure DROP COLUMN defined_at;

CREATE INDEX procedure_by_name ON procedure_name (name);

ALTER TABLE execution ADD COLUMN project TEXT NOT NULL DEFAULT 'global';

DROP INDEX execution_by_key;
CREATE UNIQUE INDEX execution_by_key ON execution (project, name, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

ALTER TABLE recorded_call ADD COLUMN project TEXT NOT NULL DEFAULT 'global';
