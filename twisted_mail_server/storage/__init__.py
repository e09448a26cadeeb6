"""
Where mail lives: mailboxes, messages, flags, and what happened to them.

Floor 4.  Two stores provide L{IMailStore <twisted_mail_server.interfaces.IMailStore>}: one in memory, and one in a folder
for each account with a SQLite database and message files (docs/explanation/storage-format.md).

Invariants: what a method promises is durable when it returns; a row never names bytes that are not there; UIDs, MODSEQs,
UIDVALIDITYs, mailbox ids and content ids are never given twice within an account; a session's view changes only when the
session says so.

Start with L{twisted_mail_server.storage.views}, then L{twisted_mail_server.storage.memory}, which does everything in plain
sight; L{twisted_mail_server.storage.sqlite} does the same durably.
"""
