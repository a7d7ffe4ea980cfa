-- Keys of clients that come over the network, and the sessions that these have.

CREATE TABLE api_key (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    hash         BLOB NOT NULL, -- SHA-256 of the key's text
    former_hash  BLOB,          -- of the text before the last rotation,
    former_until INTEGER,       -- which is valid until then
    grants       TEXT NOT NULL, -- JSON
    created_at   INTEGER NOT NULL,
    rotated_at   INTEGER,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used    INTEGER
) STRICT, WITHOUT ROWID;

-- Another random number after each change of a key but of its last use. Random,
-- so that a restored backup never repeats one.
CREATE TABLE api_key_version (version INTEGER NOT NULL) STRICT;
INSERT INTO api_key_version (version) VALUES (random());

CREATE TABLE http_session (
    id               TEXT NOT NULL PRIMARY KEY,
    key              TEXT NOT NULL, -- of api_key, or the one in the environment
    capabilities     TEXT NOT NULL, -- JSON
    protocol_version TEXT NOT NULL,
    client_name      TEXT NOT NULL,
    log_level        TEXT,
    subscribed       TEXT NOT NULL, -- JSON, a list of URIs
    opened_at        INTEGER NOT NULL,
    touched_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX http_session_of_key ON http_session (key, touched_at);
CREATE INDEX http_session_touched ON http_session (touched_at);
