-- Accounts, their addresses and credentials, and what changed.

-- The number is the order in which accounts were made; the id is who they are, for ever.
CREATE TABLE account (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    -- The first address, which is the login name: here too, for one look finds all.
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    created INTEGER NOT NULL,
    is_disabled INTEGER NOT NULL DEFAULT 0,
    -- A PHC string; the keys of SCRAM as RFC 5803 writes them, without the scheme.
    password_hash TEXT NOT NULL,
    scram_sha_256 TEXT,
    scram_sha_1 TEXT
) STRICT;

-- Every address of every account; the key is its case-folded form.
CREATE TABLE address (
    key TEXT PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account (number) ON DELETE CASCADE,
    local TEXT NOT NULL,
    domain TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX address_by_domain ON address (domain);
CREATE INDEX address_by_account ON address (account);

-- Accounts whose sessions must end, in order.
CREATE TABLE change (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL
) STRICT;

-- reverse

DROP TABLE change;
DROP TABLE address;
DROP TABLE account;
