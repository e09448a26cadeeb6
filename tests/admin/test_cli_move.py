"""
C{mailctl import} and C{mailctl export}.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.admin.test_cli import CliTestCase
from tests.support.disks import folder_for
from tests.support.drive import now
from tests.support.stores import append
from twisted_mail_server.interfaces import IAccountMail
from twisted_mail_server.model import limits

DATE = 1_600_000_000
MESSAGE = b"From: a@example.net\r\nSubject: Hello\r\n\r\nGood morning.\r\nFrom me\r\n"


class MoveTestCase(CliTestCase):
    """
    Alice has an account, and there is a folder for files.
    """

    def setUp(self) -> None:
        """
        An account without mail.
        """
        super().setUp()
        self.mail = self.account("alice")
        self.folder = Path(folder_for(self))

    def account(self, name: str) -> IAccountMail:
        """
        Somebody's mail.
        """
        return now(self.house.store.open(self.house.add(f"{name}@example.org").id))

    def file(self, name: str, content: bytes = MESSAGE, date: int = DATE) -> Path:
        """
        A message file in the Maildir C{tree}.
        """
        path = self.folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (date, date))
        return path

    def messages(self, mailbox: str, mail: IAccountMail | None = None) -> list[tuple[bytes, set[str], int]]:
        """
        What is in a mailbox: contents, flags and dates.
        """
        view = now((mail or self.mail).select(mailbox, claim_recent=False))
        found = []
        for row in now(view.fetch(list(view.snapshot.uids))):
            content = now(now(view.open_content(row.uid)).read())
            found.append((content, set(view.snapshot.keywords.flags(row.mask)), row.internal_date))
        return found


class ImportMaildirTests(MoveTestCase):
    """
    C{mailctl import maildir}.
    """

    def test_tree(self) -> None:
        """
        Folders of both layouts become mailboxes; flags, keywords and dates go along; LF becomes CRLF.
        """
        self.file("new/5.a.host")
        self.file("cur/6.b.host:2,FSa", MESSAGE.replace(b"\r\n", b"\n"), DATE + 1)
        self.file("dovecot-keywords", b"0 $Label1\n")
        self.file(".Lists.Cooking/cur/7.c.host:2,R")
        self.file("Work/2020/cur/8.d.host:2,")
        self.file("Work/notes.txt", b"no mail")
        result = self.as_json("import", "maildir", "alice", str(self.folder / "tree"))
        mailboxes = ["INBOX", "Lists/Cooking", "Work/2020"]
        self.assertEqual(
            {
                "messages": 4,
                "known": 0,
                "failed": 0,
                "octets": 4 * len(MESSAGE),
                "mailboxes": mailboxes,
                "problems": [],
            },
            result,
        )
        self.assertEqual(
            [(MESSAGE, {"\\Seen", "\\Flagged", "$Label1"}, DATE + 1), (MESSAGE, set(), DATE)], self.messages("INBOX")
        )
        self.assertEqual([(MESSAGE, {"\\Answered"}, DATE)], self.messages("Lists/Cooking"))
        self.assertEqual([(MESSAGE, set(), DATE)], self.messages("Work/2020"))
        self.assertEqual(
            ["Lists/Cooking", "Work/2020"], [m for m in mailboxes if m in now(self.mail.subscriptions())][-2:]
        )

    def test_again(self) -> None:
        """
        A second import brings what is new, also where a file's flags have changed since.
        """
        first = self.file("cur/5.a.host:2,")
        self.mailctl("import", "maildir", "alice", str(self.folder / "tree"))
        first.rename(first.with_name("5.a.host:2,S"))
        self.file("cur/6.b.host:2,", b"A: b\r\n\r\n")
        said = self.mailctl("import", "maildir", "alice", str(self.folder / "tree"))
        self.assertEqual("Imported 1 messages (8 B); 1 were there already.\n", said.stdout)
        self.assertEqual("Importing: 100 %\n", said.stderr)
        self.assertEqual(2, len(self.messages("INBOX")))

    def test_large(self) -> None:
        """
        A message too large for the database goes in as it is.
        """
        large = MESSAGE.replace(b"\r\n", b"\n") + b"x\n" * limits.INLINE_CONTENT
        self.file("cur/5.a.host:2,S", large)
        self.mailctl("import", "maildir", "alice", str(self.folder / "tree"))
        self.assertEqual([(large.replace(b"\n", b"\r\n"), {"\\Seen"}, DATE)], self.messages("INBOX"))

    def test_special_names(self) -> None:
        """
        What others call the mailbox for sent mail is ours, unless the tree has one of our name, or names are kept.
        """
        self.file(".Sent Items/cur/5.a.host:2,S")
        self.file(".Spam/cur/5.b.host:2,S")
        self.file(".Junk/cur/5.c.host:2,S")
        said = self.as_json("import", "maildir", "alice", str(self.folder / "tree"))
        self.assertEqual(["Junk", "Sent", "Spam"], said["mailboxes"])
        said = self.as_json("import", "maildir", "alice", str(self.folder / "tree"), "--keep-names")
        self.assertEqual(["Junk", "Sent Items", "Spam"], said["mailboxes"])

    def test_dates(self) -> None:
        """
        The date can be that in the name, where there is one.
        """
        self.file("cur/5.a.host:2,")
        self.file("cur/message.eml")
        self.mailctl("import", "maildir", "alice", str(self.folder / "tree"), "--dates", "name")
        self.assertEqual([5, DATE], [date for _, _, date in self.messages("INBOX")])

    def test_problems(self) -> None:
        """
        What cannot be read or be a mailbox is told, and the rest goes in.
        """
        self.file("cur/5.a.host:2,")
        (self.folder / "tree" / "cur" / "6.b").symlink_to("nowhere")
        self.file(".a..b/cur/7.c")
        said = self.as_json("import", "maildir", "alice", str(self.folder / "tree"), status=1)
        self.assertEqual((1, 1), (said["messages"], said["failed"]))
        self.assertIn("cannot become a mailbox", said["problems"][0])
        self.assertIn("6.b cannot be read", said["problems"][1])
        text = self.mailctl("import", "maildir", "alice", str(self.folder / "tree"), status=1).stderr
        self.assertIn("mailctl: 1 messages were left behind.\n", text)

    def test_refused(self) -> None:
        """
        A folder that is no Maildir and an account that is not there are told.
        """
        self.assertIn("is no Maildir", self.complaint("import", "maildir", "alice", str(self.folder)))
        self.assertIn("is no Maildir", self.complaint("import", "maildir", "alice", str(self.folder / "nowhere")))
        self.assertIn("no account bob", self.complaint("import", "maildir", "bob", str(self.folder)))


class ExportMaildirTests(MoveTestCase):
    """
    C{mailctl export maildir}.
    """

    def test_round_trip(self) -> None:
        """
        What goes out comes in again the same, flags, keywords, dates, copies and mailboxes with dots in their names.
        """
        large = MESSAGE + b"x\r\n" * limits.MOVED_PIECE
        append(self.mail, "INBOX", MESSAGE, b"A: b\r\n\r\nbare\nlines", b"", flags=("\\Seen", "$Label1"), date=DATE)
        append(self.mail, "INBOX", large, date=DATE + 1)
        now(self.mail.create_mailbox("a.b/ü"))
        append(self.mail, "a.b/ü", MESSAGE, flags=("$Forwarded", "Travel"), date=0)
        view = now(self.mail.select("INBOX", claim_recent=False))
        now(view.copy([view.snapshot.uids[0]], "INBOX"))
        out = str(self.folder / "out")
        self.assertEqual(6, self.as_json("export", "maildir", "alice", out)["messages"])
        bob = self.account("bob")
        self.assertEqual(6, self.as_json("import", "maildir", "bob", out)["messages"])
        for mailbox in ("INBOX", "a.b/ü"):
            ours, theirs = self.messages(mailbox), self.messages(mailbox, bob)
            self.assertCountEqual([*map(repr, map(_sorted, ours))], [*map(repr, map(_sorted, theirs))])

    def test_again(self) -> None:
        """
        A second export writes what is missing, changes flags, and removes nothing; what a kill left half-written is done anew.
        """
        append(self.mail, "INBOX", MESSAGE, b"two\r\n", date=DATE)
        out = self.folder / "out"
        self.mailctl("export", "maildir", "alice", str(out))
        names = sorted(path.name for path in (out / "cur").iterdir())
        (out / "cur" / names[0]).rename(out / "tmp" / names[0].removesuffix(":2,"))
        view = now(self.mail.select("INBOX", claim_recent=False))
        now(view.change_flags(list(view.snapshot.uids), "+", ("\\Seen", "Travel")))
        said = self.mailctl("export", "maildir", "alice", str(out)).stdout
        self.assertRegex(said, r"Exported 1 messages .*; 1 were there already")
        self.assertEqual([f"{name}Sa" for name in names], sorted(path.name for path in (out / "cur").iterdir()))
        self.assertEqual([], os.listdir(out / "tmp"))
        now(view.expunge(list(view.snapshot.uids), only_deleted=False))
        self.assertEqual(0, self.as_json("export", "maildir", "alice", str(out))["messages"])
        self.assertEqual(2, len(os.listdir(out / "cur")))


class MboxTests(MoveTestCase):
    """
    C{mailctl import mbox} and C{mailctl export mbox}.
    """

    def test_round_trip(self) -> None:
        """
        What goes out comes in again the same; equal messages are as many as before; a second import brings nothing.
        """
        large = MESSAGE + b"From x\r\n" * 9 + b"x" * limits.MOVED_PIECE + b"\r\n"
        append(self.mail, "INBOX", MESSAGE, MESSAGE, large, flags=("\\Seen", "$Label1"), date=DATE)
        append(self.mail, "INBOX", *(b"A: %d\r\n\r\nx\r\n" % number for number in range(limits.MOVED_AT_ONCE)), date=7)
        path = str(self.folder / "inbox.mbox")
        count = limits.MOVED_AT_ONCE + 3
        self.assertEqual(count, self.as_json("export", "mbox", "alice", path)["messages"])
        self.assertEqual(["inbox.mbox"], os.listdir(self.folder))
        said = self.as_json("import", "mbox", "alice", path, "--mailbox", "Old/2020")
        self.assertEqual((count, ["Old/2020"]), (said["messages"], said["mailboxes"]))
        self.assertEqual(self.messages("INBOX"), self.messages("Old/2020"))
        said = self.as_json("import", "mbox", "alice", path, "--mailbox", "Old/2020")
        self.assertEqual((0, count), (said["messages"], said["known"]))

    def test_foreign(self) -> None:
        """
        The records of mail programs stay behind; a date that is none is the file's.
        """
        file = (
            b"From x Sun Sep 13 12:26:40 2020\nX-IMAP: 1 2\nSubject: FOLDER INTERNAL DATA\n\nx\n\n"
            b"From x Sun Feb 31 12:26:40 2020\nA: b\nStatus: RO\n\nHi\n\n"
        )
        path = self.file("old", file, 99)
        self.mailctl("import", "mbox", "alice", str(path))
        self.assertEqual([(b"A: b\r\n\r\nHi\r\n", {"\\Seen"}, 99)], self.messages("INBOX"))

    def test_refused(self) -> None:
        """
        A file that is no mbox, one that is not there, and one that is there already, are told.
        """
        path = str(self.file("old", b"Hello"))
        self.assertIn("no mbox", self.mailctl("import", "mbox", "alice", path, status=1).stderr)
        self.assertIn("No such file", self.complaint("import", "mbox", "alice", f"{path}x"))
        self.assertIn("there already", self.complaint("export", "mbox", "alice", path))
        self.assertIn("no mailbox", self.complaint("export", "mbox", "alice", f"{path}y", "--mailbox", "None"))
        self.assertEqual(["old"], os.listdir(self.folder / "tree"))


def _sorted(message: tuple[bytes, set[str], int]) -> tuple[bytes, list[str], int]:
    content, flags, date = message
    return content, sorted(flags), date
