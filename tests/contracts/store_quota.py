"""
What every store does about quotas.
"""

from __future__ import annotations

from tests.contracts.store_case import StoreCase
from tests.support.drive import failure_of, now
from tests.support.stores import ALICE, BOB, MESSAGE, append, arrival, deliver, staged
from twisted_mail_server.model.errors import NoSuchTarget, OverQuota

SIZE = len(MESSAGE)


class Quotas(StoreCase):
    """
    How much an account may have (RFC 9208).
    """

    def test_usage(self) -> None:
        """
        Octets and messages are counted over all mailboxes, header fields of delivery too; a copy counts as its original does.
        """
        self.assertEqual((0, 0), now(self.mail.usage()))
        self.fill(2)
        self.fill(1, "Drafts")
        self.assertEqual((3 * SIZE, 3), now(self.mail.usage()))
        deliver(self.mail, arrival(1, prefix=b"X: y\r\n"))
        self.assertEqual((4 * SIZE + 6, 4), now(self.mail.usage()))
        view = self.select()
        now(view.copy([1], "Drafts"))
        self.assertEqual((5 * SIZE + 6, 5), now(self.mail.usage()))
        now(view.expunge([1, 2], only_deleted=False))
        self.assertEqual((3 * SIZE + 6, 3), now(self.mail.usage()))
        now(view.close())
        now(self.mail.delete_mailbox("Drafts"))
        self.assertEqual((SIZE + 6, 1), now(self.mail.usage()))

    def test_append(self) -> None:
        """
        What fits to the octet is taken, what does not is refused as a whole, and used up all the same.
        """
        self.quotas[ALICE] = 3 * SIZE
        self.fill(1)
        waiting = [(staged(self.mail, MESSAGE), (), 0) for _ in range(3)]
        failure_of(self.mail.append("INBOX", waiting), OverQuota)
        self.assertEqual([1], self.uids())
        self.fill(2)
        failure_of(self.mail.append("INBOX", [(staged(self.mail, b"x"), (), 0)]), OverQuota)
        self.assertEqual((3 * SIZE, 3), now(self.mail.usage()))

    def test_other_accounts(self) -> None:
        """
        A quota is its account's alone, may be changed at any time, and may be less than there is already.
        """
        self.quotas[ALICE] = 0
        append(now(self.store.open(BOB)), "INBOX", MESSAGE)
        failure_of(self.mail.append("INBOX", [(staged(self.mail, MESSAGE), (), 0)]), OverQuota)
        del self.quotas[ALICE]
        self.fill(2)
        self.quotas[ALICE] = 1
        failure_of(self.mail.append("INBOX", [(staged(self.mail, MESSAGE), (), 0)]), OverQuota)
        self.assertEqual([1, 2], self.uids())

    def test_no_such_mailbox(self) -> None:
        """
        A mailbox that is not there is told of first.
        """
        self.quotas[ALICE] = 0
        failure_of(self.mail.append("nowhere", [(staged(self.mail, MESSAGE), (), 0)]), NoSuchTarget)

    def test_copy(self) -> None:
        """
        A copy needs room, and all of it fits or nothing is copied.
        """
        self.quotas[ALICE] = 4 * SIZE
        self.fill(3)
        view = self.select()
        failure_of(view.copy([1, 2], "Drafts"), OverQuota)
        self.assertEqual([], self.uids("Drafts"))
        self.assertEqual((1,), now(view.copy([1], "Drafts")).uids)
        self.assertEqual((), now(view.copy([9], "Drafts")).uids)

    def test_move(self) -> None:
        """
        What is moved takes no more room, nor does what is renamed; both go however full it is.
        """
        self.fill(3)
        self.quotas[ALICE] = 1
        view = self.select()
        now(view.move([1, 2], "Drafts"))
        self.assertEqual([1, 2], self.uids("Drafts"))
        now(view.close())
        now(self.mail.rename_mailbox("INBOX", "old"))
        self.assertEqual([1], self.uids("old"))

    def test_delivery(self) -> None:
        """
        What was promised is delivered, however full it is.
        """
        self.quotas[ALICE] = 1
        self.assertEqual([True, True], deliver(self.mail, arrival(1), arrival(2)))
