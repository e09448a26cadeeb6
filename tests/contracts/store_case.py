"""
What the contract tests of stores stand on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.stores import ALICE, MESSAGE, append
from twisted_mail_server.interfaces import (
    IAccountMail,
    IMailboxView,
    IMailStore,
)
from twisted_mail_server.model.accounts import AccountId

if TYPE_CHECKING:
    _Base = SynchronousTestCase
else:
    # Not a test case by itself: trial would run it wherever it is imported.
    _Base = object


class StoreCase(_Base):
    """
    A store with Alice in it; each backend says how it is made.
    """

    store: IMailStore
    mail: IAccountMail
    clock: Clock
    #: Octets that accounts may have.
    quotas: dict[AccountId, int]

    async def quota_of(self, account: AccountId) -> int | None:
        """
        What the store under test asks.
        """
        return self.quotas.get(account)

    def make(self) -> IMailStore:
        """
        A new, empty store whose clock is C{self.clock}, and whose quotas are those of C{self.quota_of}.
        """
        raise AssertionError("Each backend says how it is made.")

    def again(self) -> IMailStore:
        """
        The same store after the program was stopped and started.
        """
        return self.store

    def large_file(self, content: bytes) -> str:
        """
        A durable file in the spool.
        """
        raise AssertionError("Each backend says where.")

    def remove_file(self, path: str) -> None:
        """
        The spool lets its file go.
        """
        raise AssertionError("Each backend says how.")

    def setUp(self) -> None:
        """
        A store with Alice in it.
        """
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.quotas = {}
        self.store = self.make()
        self.mail = now(self.store.open(ALICE))

    def tearDown(self) -> None:
        """
        Let go of it.
        """
        now(self.store.close())

    def restart(self) -> None:
        """
        Stop and start.
        """
        self.store = self.again()
        self.mail = now(self.store.open(ALICE))

    def select(self, name: str = "INBOX", claim_recent: bool = True) -> IMailboxView:
        """
        A session's view.
        """
        return now(self.mail.select(name, claim_recent=claim_recent))

    def uids(self, name: str = "INBOX") -> list[int]:
        """
        The UIDs a new session sees.
        """
        view = self.select(name, claim_recent=False)
        found = list(view.snapshot.uids)
        now(view.close())
        return found

    def content(self, view: IMailboxView, uid: int) -> bytes:
        """
        All of one message.
        """
        content = now(view.open_content(uid))
        octets = now(content.read())
        self.assertEqual(len(octets), content.size)
        content.close()
        return octets

    def names(self) -> list[str]:
        """
        The names of all mailboxes.
        """
        return [status.name for status in now(self.mail.mailboxes())]

    def fill(self, count: int, name: str = "INBOX", flags: Sequence[str] = ()) -> tuple[int, ...]:
        """
        Put C{count} messages into a mailbox.
        """
        return append(self.mail, name, *[MESSAGE] * count, flags=flags).uids
