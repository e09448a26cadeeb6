-- What each column means: docs/explanation/storage-format.md.

CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    modseq INTEGER NOT NULL,
    uidvalidity INTEGER NOT NULL,
    change_floor INTEGER NOT NULL
);

CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    uidvalidity INTEGER NOT NULL,
    uidnext INTEGER NOT NULL DEFAULT 1,
    modseq INTEGER NOT NULL,
    recent_from INTEGER NOT NULL DEFAULT 1,
    messages INTEGER NOT NULL DEFAULT 0,
    unseen INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0,
    keywords TEXT NOT NULL DEFAULT '',
    special_use TEXT
);

CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    content_id BLOB NOT NULL,
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    prefix BLOB NOT NULL,
    home INTEGER NOT NULL CHECK (home IN (0, 1)),
    holders INTEGER NOT NULL
);

CREATE INDEX content_inline ON content (id) WHERE home = 0;

CREATE TABLE octets (
    content INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
);

CREATE TABLE rendered (
    content INTEGER PRIMARY KEY,
    packed BLOB NOT NULL,
    header BLOB
);

CREATE TABLE message (
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    mask INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    internal_date INTEGER NOT NULL,
    size INTEGER NOT NULL,
    content INTEGER NOT NULL,
    content_id BLOB NOT NULL,
    PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;

CREATE TABLE expunged (
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    mask INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    internal_date INTEGER NOT NULL,
    size INTEGER NOT NULL,
    content INTEGER NOT NULL,
    content_id BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;

CREATE INDEX expunged_at ON expunged (at);

CREATE TABLE change (
    mailbox INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    uids BLOB NOT NULL,
    PRIMARY KEY (mailbox, modseq, kind)
) WITHOUT ROWID;

CREATE TABLE received (
    queue_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (queue_id, number)
) WITHOUT ROWID;

CREATE TABLE subscription (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE packed (
    mailbox INTEGER PRIMARY KEY,
    modseq INTEGER NOT NULL,
    uidnext INTEGER NOT NULL,
    uids BLOB NOT NULL,
    masks BLOB NOT NULL,
    modseqs BLOB NOT NULL
);

-- reverse

DROP TABLE packed;
DROP TABLE subscription;
DROP TABLE received;
DROP TABLE change;
DROP TABLE expunged;
DROP TABLE message;
DROP TABLE rendered;
DROP TABLE octets;
DROP TABLE content;
DROP TABLE mailbox;
DROP TABLE account;
