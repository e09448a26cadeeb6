"""
Look whether an account is whole: the database by itself, its tables with each other, and its files.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from attrs import frozen

from twisted_mail_server.interfaces import IDisk, ITransaction
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.storage.messages import MessageFiles
from twisted_mail_server.storage.tables import Home

#: Octets of a file that are looked at in one piece.
_PIECE = 1024 * 1024

#: What must find nothing, and what it means when it does.
_RULES = (
    (
        "SELECT count(*) FROM content c WHERE home = 0 AND NOT EXISTS (SELECT 1 FROM octets WHERE content = c.id)",
        "{} contents have no bytes",
    ),
    (
        "SELECT count(*) FROM octets o JOIN content c ON c.id = o.content WHERE length(o.bytes) <> c.size",
        "{} contents in the database have a wrong size",
    ),
    (
        "SELECT count(*) FROM octets WHERE content NOT IN (SELECT id FROM content)",
        "{} pieces of content belong to nothing",
    ),
    (
        "SELECT count(*) FROM message WHERE content NOT IN (SELECT id FROM content)",
        "{} messages have no content",
    ),
    (
        "SELECT count(*) FROM message m JOIN content c ON c.id = m.content"
        " WHERE m.content_id <> c.content_id OR m.size <> c.size + length(c.prefix)",
        "{} messages differ from their contents",
    ),
    (
        "SELECT count(*) FROM content c WHERE holders <> (SELECT count(*) FROM"
        " (SELECT content FROM message UNION ALL SELECT content FROM expunged) h WHERE h.content = c.id)",
        "{} contents are held by more or fewer messages than counted",
    ),
    (
        "SELECT count(*) FROM message WHERE mailbox NOT IN (SELECT id FROM mailbox)",
        "{} messages are in no mailbox",
    ),
    (
        "SELECT count(*) FROM mailbox b LEFT JOIN (SELECT mailbox, count(*) n, sum(size) s, sum(mask & 1 = 0) u,"
        " sum(mask & 8 <> 0) d, max(uid) top, max(modseq) m FROM message GROUP BY mailbox) t ON t.mailbox = b.id"
        " WHERE messages <> coalesce(n, 0) OR b.size <> coalesce(s, 0) OR unseen <> coalesce(u, 0)"
        " OR deleted <> coalesce(d, 0) OR uidnext <= coalesce(top, 0) OR b.modseq < coalesce(m, 0)",
        "{} mailboxes are counted wrongly",
    ),
    (
        "SELECT count(*) FROM mailbox, account WHERE mailbox.modseq > account.modseq"
        " OR mailbox.uidvalidity > account.uidvalidity",
        "{} mailboxes are ahead of their account",
    ),
    (
        "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM mailbox WHERE name = 'INBOX')",
        "there is no INBOX",
    ),
)


@frozen
class Filed:
    """
    What a message file must hold.
    """

    content_id: bytes
    size: int
    digest: bytes


def look_inside(transaction: ITransaction) -> tuple[list[str], list[Filed]]:
    """
    What is wrong in the database, in sentences; and what the files must hold.
    """
    problems = [text for (text,) in transaction.execute("PRAGMA integrity_check") if text != "ok"]
    if problems:
        return problems, []
    for sql, sentence in _RULES:
        for (count,) in transaction.execute(sql):
            if count:
                problems.append(f"{sentence.format(count)}.")
    rows = transaction.execute("SELECT content_id, size, digest FROM content WHERE home = ?", (int(Home.FILE),))
    return problems, [Filed(*row) for row in rows]


def look_at_files(disk: IDisk, files: MessageFiles, wanted: Sequence[Filed]) -> list[str]:
    """
    What is wrong with the files, in sentences.  Blocks, and reads them all.
    """
    problems: list[str] = []
    for one in wanted:
        path = files.path(one.content_id)
        try:
            if disk.size(path) != one.size:
                problems.append(f"The file {path} has a wrong size.")
            elif one.digest and _digest(disk, path) != one.digest:
                problems.append(f"The file {path} holds something else than was received.")
        except (OSError, MailError) as problem:
            problems.append(f"The file {path} cannot be read: {problem}.")
    return problems


def _digest(disk: IDisk, path: str) -> bytes:
    whole, offset = sha256(), 0
    while piece := disk.read(path, offset, _PIECE):
        whole.update(piece)
        offset += len(piece)
    return whole.digest()
