-- Accounts, their addresses and credentials, and what changed.

-- The number is the order in which accounts were made; the id is who they are, for ever.
CREATE TABLE account (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    is_disabled INTEGER NOT NULL DEFAULT 0,
    -- A PHC string; the keys of SCRAM as RFC 5803 writes them, without the scheme.
    password_hash TEXT NOT NULL,
    scram_sha_256 TEXT,
    scram_sha_1 TEXT
) STRICT;

-- The address at position 0 is the login name.
CREATE TABLE address (
    key TEXT PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account (number) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    UNIQUE (account, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX address_by_domain ON address (domain);

-- Accounts whose sessions must end, in order.
CREATE TABLE change (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL
) STRICT;

-- reverse

DROP TABLE change;
DROP TABLE address;
DROP TABLE account;
