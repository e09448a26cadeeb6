-- The ledger, what was tried, and the name that people know a message by; docs/explanation/spool.md describes every column.
ALTER TABLE message ADD COLUMN message_id TEXT NOT NULL DEFAULT '';
CREATE TABLE event (
    message INTEGER NOT NULL REFERENCES message,
    serial INTEGER NOT NULL,
    at INTEGER NOT NULL,
    number INTEGER,
    what TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (message, serial)
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger (
    entry TEXT PRIMARY KEY,
    recipients INTEGER NOT NULL,
    carried INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO ledger SELECT 'promised', count(*), 0 FROM recipient;
INSERT INTO ledger SELECT column1, (SELECT count(*) FROM recipient WHERE fate = column1), 0
    FROM (VALUES ('delivered'), ('relayed'), ('failed'), ('removed'));
CREATE TRIGGER recipient_promised AFTER INSERT ON recipient BEGIN
    UPDATE ledger SET recipients = recipients + 1 WHERE entry = 'promised';
END;
CREATE TRIGGER recipient_changed AFTER UPDATE OF fate ON recipient WHEN new.fate <> old.fate BEGIN
    UPDATE ledger SET recipients = recipients + iif(entry = new.fate, 1, -1) WHERE entry IN (new.fate, old.fate);
END;
CREATE TRIGGER recipient_forgotten AFTER DELETE ON recipient BEGIN
    UPDATE ledger SET carried = carried + 1 WHERE entry = old.fate;
END;
-- reverse
DROP TRIGGER recipient_forgotten;
DROP TRIGGER recipient_changed;
DROP TRIGGER recipient_promised;
DROP TABLE ledger;
DROP TABLE event;
ALTER TABLE message DROP COLUMN message_id;
