-- Accounts, aliases, their addresses, credentials, domains, and what changed.

-- The number is the order in which accounts were made; the id is who they are, for ever.
CREATE TABLE account (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    -- The first address, which is the login name: here too, for one look finds all.
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    created INTEGER NOT NULL,
    is_disabled INTEGER NOT NULL DEFAULT 0,
    -- Octets of mail; NULL for no bound.
    quota INTEGER,
    -- A PHC string or an imported hash; the keys of SCRAM as RFC 5803 writes them, without the scheme.
    password_hash TEXT NOT NULL,
    scram_sha_256 TEXT,
    scram_sha_1 TEXT
) STRICT;

-- Those who cannot log in by SCRAM yet.
CREATE INDEX account_without_keys ON account (number) WHERE scram_sha_256 IS NULL OR scram_sha_1 IS NULL;

-- Every address of every account, and every alias, whose account is NULL: so that no address is both.
CREATE TABLE address (
    -- The form by which addresses are compared.
    key TEXT PRIMARY KEY,
    account INTEGER REFERENCES account (number) ON DELETE CASCADE,
    -- As written; the local part of a catch-all is empty.
    local TEXT NOT NULL,
    domain TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX address_by_domain ON address (domain);
CREATE INDEX address_by_account ON address (account);

-- Where the aliases lead.
CREATE TABLE target (
    alias TEXT NOT NULL REFERENCES address (key) ON DELETE CASCADE,
    key TEXT NOT NULL,
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    PRIMARY KEY (alias, key)
) STRICT, WITHOUT ROWID;

-- Domains that are local though the settings do not say so and nobody need live there.
CREATE TABLE domain (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Accounts whose sessions must end, in order.
CREATE TABLE change (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL
) STRICT;

-- What stands in for the keys of those who do not exist is made from this; one row.
CREATE TABLE secret (
    octets BLOB NOT NULL
) STRICT;

-- reverse

DROP TABLE secret;
DROP TABLE change;
DROP TABLE domain;
DROP TABLE target;
DROP TABLE address;
DROP TABLE account;
