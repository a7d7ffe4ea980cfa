-- Approvals belong to what runs under a skill's name, not to the name. A pin of an
-- earlier version has the identity '', and is taken over by the first skill of its
-- name that is seen.

CREATE TABLE tool_pin_of (
    skill      TEXT NOT NULL,
    identity   TEXT NOT NULL, -- SHA-256 of what runs, hexadecimal
    tool       TEXT NOT NULL,
    hash       TEXT NOT NULL, -- SHA-256 of the canonical definition, hexadecimal
    definition TEXT NOT NULL, -- JSON
    PRIMARY KEY (skill, identity, tool)
) STRICT;

INSERT INTO tool_pin_of (skill, identity, tool, hash, definition)
SELECT skill, '', tool, hash, definition FROM tool_pin;

DROP TABLE tool_pin;
ALTER TABLE tool_pin_of RENAME TO tool_pin;

-- The entry under which each skill was seen last. Tools that it lists later under
-- the same entry wait for a person.
CREATE TABLE skill_entry (
    skill    TEXT NOT NULL PRIMARY KEY,
    identity TEXT NOT NULL,
    entry    TEXT NOT NULL -- SHA-256 of the entry in the manifest, hexadecimal
) STRICT, WITHOUT ROWID;
