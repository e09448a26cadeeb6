"""
A full account, as its owner sees it by IMAP.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.accounts import House
from tests.support.disks import seeded
from tests.support.drive import now
from tests.support.transports import MemoryTransport
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.servers.base import Terms
from twisted_mail_server.servers.imap import ImapFactory
from twisted_mail_server.storage.memory import MemoryStore


class FullAccountTests(SynchronousTestCase):
    """
    OVERQUOTA (RFC 9208 section 4.3).
    """

    def setUp(self) -> None:
        """
        An account that may have 100 octets, and has 60.
        """
        self.house = House()
        self.alice = self.house.add("alice@example.org")
        now(self.house.directory.set_quota(self.alice.id, 100))
        store = self.house.store
        assert isinstance(store, MemoryStore)
        store._quota = self.quota_of
        terms = Terms("imap", "mail.example.org", self.house.clock, seeded(9), allow_plaintext=True)
        factory = ImapFactory(terms, authenticator=self.house.authenticator)
        self.transport = MemoryTransport("127.0.0.1")
        self.transport.connect(factory.buildProtocol(None))
        self.say(b"a LOGIN alice secret")
        self.assertIn(b"a OK", self.append(60))

    async def quota_of(self, account: AccountId) -> int | None:
        """
        What the directory says.
        """
        found = await self.house.directory.account(account)
        return None if found is None else found.quota

    def say(self, line: bytes) -> bytes:
        """
        What is answered to a command.
        """
        self.transport.take()
        self.transport.deliver(line + b"\r\n")
        return self.transport.take()

    def append(self, size: int) -> bytes:
        """
        What is answered to APPEND.
        """
        return self.say(b"a APPEND INBOX {%d+}\r\n%b" % (size, b"x" * size))

    def test_append(self) -> None:
        """
        What does not fit is refused with the right code, and what fits is taken.
        """
        self.assertIn(b"a NO [OVERQUOTA]", self.append(41))
        self.assertIn(b"a OK", self.append(40))

    def test_copy_and_move(self) -> None:
        """
        A copy needs room; a move does not.
        """
        self.say(b"a SELECT INBOX")
        self.assertIn(b"a NO [OVERQUOTA]", self.say(b"a COPY 1 Drafts"))
        self.assertIn(b"a OK", self.say(b"a MOVE 1 Drafts"))
        now(self.house.directory.set_quota(self.alice.id, None))
        self.say(b"a SELECT Drafts")
        self.assertIn(b"a OK", self.say(b"a COPY 1 INBOX"))
