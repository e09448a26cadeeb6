-- docs/explanation/spool.md describes every column.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    queue_id BLOB NOT NULL UNIQUE,
    received INTEGER NOT NULL,
    sender TEXT,
    origin TEXT NOT NULL,
    body TEXT NOT NULL,
    declared INTEGER NOT NULL,
    is_utf8 INTEGER NOT NULL,
    returned TEXT,
    envid TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    home INTEGER NOT NULL,
    settled INTEGER
) STRICT;
CREATE INDEX message_unsettled ON message (id) WHERE settled IS NULL;
CREATE INDEX message_settled ON message (settled) WHERE settled IS NOT NULL;
CREATE TABLE content (
    id INTEGER PRIMARY KEY REFERENCES message,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE recipient (
    message INTEGER NOT NULL REFERENCES message,
    number INTEGER NOT NULL,
    address TEXT NOT NULL,
    named TEXT,
    reverse_path TEXT,
    orcpt TEXT NOT NULL,
    notify TEXT,
    refusal TEXT NOT NULL,
    quarantine TEXT NOT NULL,
    fate TEXT NOT NULL,
    detail TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    due INTEGER NOT NULL,
    delay_told INTEGER NOT NULL,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;
-- reverse
DROP TABLE recipient;
DROP TABLE content;
DROP TABLE message;
