"""
Names that are meant to be paths: C{../../etc/passwd} as a mailbox, an address, an account id.

Servers where a mailbox was a file of that name, UW IMAP the best known of them, and many a webmail served files so.  Here no file or
folder is named by anything a client says: an account's folder is its id, 32 hexadecimal digits of our own making, and within it
files are named by random ids.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.support.disks import folder_for, inline_disk
from tests.support.drive import now
from tests.support.imap import ImapTestCase, account_id_of
from tests.support.stores import ALICE, append, arrival, deliver, sqlite_store
from twisted_mail_server.interfaces import IMailStore
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import MailError, SyntaxProblem
from twisted_mail_server.model.queue import QueueId

NAMES = (
    "../escape",
    "../../escape",
    "..",
    ".",
    "a/../../escape",
    "/etc/escape",
    "//escape",
    "INBOX/../../../escape",
    "..\\..\\escape",
    "escape\0.eml",
    "%2e%2e%2fescape",
    "~root/escape",
    "account.sqlite",
    "account.sqlite-wal",
    "$(touch escape)",
    ";touch escape",
    "|escape",
    "../" * 40 + "escape",
    "e" * 255,
    "e" * 1000,
    "\u2025/escape",
    "\uff0e\uff0e\uff0fescape",
)
#: What may be there: account folders, and what the store keeps in them.
_OURS = re.compile(
    r"accounts(?:/reserve|/staging(?:/[0-9]{1,4}(?:\.lock|/[0-9a-f]{1,32})?)?"
    r"|/[0-9a-f]{32}(?:/account\.sqlite(?:-wal|-shm|-lock)?|/(?:open|checkpoint|maildrop)\.lock"
    r"|/messages(?:/[0-9a-f]{2}(?:/[0-9a-f]{32}\.eml)?)?)?)?"
)


def below(root: Path) -> set[str]:
    """
    Every file and folder there.
    """
    return {str(path.relative_to(root)) for path in root.rglob("*")}


class PathTests(ImapTestCase):
    """
    On a real disk, two levels below a folder that nobody else uses.
    """

    def make_store(self) -> IMailStore:
        """
        The real store.
        """
        self.outer = Path(folder_for(self))
        root = self.outer / "one" / "two"
        root.mkdir(parents=True)
        self.root = root
        self.store_on_disk = sqlite_store(inline_disk(str(root), clock=self.clock), self.clock)
        self.addCleanup(lambda: now(self.store_on_disk.close()))
        return self.store_on_disk

    def check_files(self) -> None:
        """
        Nothing lies outside, nothing inside has a name that we did not give, and nothing is a link.
        """
        self.assertEqual({"one", "one/two"}, {name for name in below(self.outer) if not name.startswith("one/two/")})
        for name in below(self.root):
            self.assertIsNotNone(_OURS.fullmatch(name), name)
            self.assertNotIn("escape", name)
            self.assertFalse((self.root / name).is_symlink(), name)
        self.assertFalse(os.path.exists("escape"))

    def test_mailboxes(self) -> None:
        """
        Whatever a client makes, renames, fills, subscribes, copies to and deletes, files are where they belong.
        """
        large = b"Subject: x\r\n\r\n" + b"x" * 40_000
        line = self.line()
        for number, name in enumerate(NAMES):
            octets = name.encode()
            literal = b"{%d+}\r\n%b" % (len(octets), octets)
            line.receive(b"a CREATE %b\r\nb SUBSCRIBE %b\r\nc STATUS %b (MESSAGES)\r\n" % ((literal,) * 3))
            line.receive(b"d APPEND %b {%d+}\r\n%b\r\n" % (literal, len(large), large))
            line.receive(b"e RENAME %b m%d\r\nf RENAME m%d %b\r\n" % (literal, number, number, literal))
            line.receive(b"g SELECT %b\r\nh COPY 1:* %b\r\ni FETCH 1:* BODY[]\r\nj CLOSE\r\n" % ((literal,) * 2))
            self.assertFalse(line.conversation.is_over, line.take()[-200:])
            line.receive(b'k LIST "" %b\r\nl LIST %b *\r\n' % ((literal,) * 2))
            while now(self.mail.checkpoint()):
                pass
            if number % 2:
                line.receive(b"m DELETE %b\r\n" % literal)
            line.take()
            self.check_files()
        self.assertEqual([], line.failures)

    def test_arrivals(self) -> None:
        """
        Mail that is delivered to a mailbox of such a name, by Sieve or an address with a detail, goes nowhere else either.
        """
        alice = now(self.store.open(ALICE))
        for number, name in enumerate(NAMES):
            try:
                deliver(alice, arrival(number, mailbox=name, content=b"Subject: x\r\n\r\n" + b"x" * 40_000))
            except MailError:
                continue
        append(alice, "INBOX")
        while now(alice.checkpoint()):
            pass
        self.check_files()

    def test_accounts(self) -> None:
        """
        The folder of somebody with such a name is an id like any other's; an id that is none is refused.
        """
        for name in NAMES:
            now(self.store.open(account_id_of(name[:16])))
            for text in (name, name[:31].ljust(32, "z"), "0" * 32 + "/" + name, "A" * 32, "0" * 32 + "\n"):
                self.assertRaises(SyntaxProblem, AccountId.parse, text)
                self.assertRaises(SyntaxProblem, QueueId.parse, text)
        self.check_files()

    def test_addresses(self) -> None:
        """
        A local part may be a path, for it is only a name: nothing of it is in an id that is made for it.
        """
        for name in NAMES:
            try:
                address = Address.parse(f'"{name}"@example.org')
            except SyntaxProblem:
                continue
            self.assertEqual("example.org", address.domain)
            self.assertEqual(32, len(str(AccountId.of(bytes(16)))))
