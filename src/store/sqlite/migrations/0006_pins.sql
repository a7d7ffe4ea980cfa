-- Tool definitions that may be called: approved by a person, or pinned when
-- they were first seen. A tool that is not what its pin says waits for a person.

CREATE TABLE tool_pin (
    skill      TEXT NOT NULL,
    tool       TEXT NOT NULL,
    hash       TEXT NOT NULL, -- SHA-256 of the canonical definition, hexadecimal
    definition TEXT NOT NULL, -- JSON
    PRIMARY KEY (skill, tool)
) STRICT;
