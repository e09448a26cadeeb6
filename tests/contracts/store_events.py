"""
The contract of stores: what an observer hears.
"""

from __future__ import annotations

from tests.contracts.store_case import StoreCase
from tests.support.drive import now
from tests.support.stores import ALICE, append, arrival, deliver
from twisted_mail_server.model.changes import MailboxChange, MailboxEvent
from twisted_mail_server.model.flags import SEEN

ARRIVED, VANISHED, REFLAGGED = MailboxChange.ARRIVED, MailboxChange.VANISHED, MailboxChange.REFLAGGED


class Events(StoreCase):
    """
    What happens in mailboxes, told after it did.
    """

    def heard(self) -> list[tuple[str, MailboxChange]]:
        """
        What the observer heard since the last call: mailbox and change.
        """
        heard, self.events[:] = list(self.events), []
        for event in heard:
            self.assertEqual(ALICE, event.account)
        return [(event.mailbox, *event.changes) for event in heard]  # type: ignore[misc]

    def observe(self) -> None:
        """
        Listen from now on.
        """
        self.events: list[MailboxEvent] = []
        self.store.observe(self.events.append)

    def test_nobody(self) -> None:
        """
        Nobody needs to listen.
        """
        append(self.mail)
        self.observe()
        self.assertEqual([], self.heard())

    def test_arrivals(self) -> None:
        """
        What is appended, delivered and copied has arrived, in each mailbox that it reached.
        """
        self.observe()
        append(self.mail, "Drafts")
        self.assertEqual([("Drafts", ARRIVED)], self.heard())
        deliver(self.mail, arrival(1), arrival(2, mailbox="Junk"), arrival(3))
        self.assertEqual({("INBOX", ARRIVED), ("Junk", ARRIVED)}, set(self.heard()))
        view = self.select("Drafts")
        now(view.copy([1], "Sent"))
        self.assertEqual([("Sent", ARRIVED)], self.heard())

    def test_which(self) -> None:
        """
        What arrived or was reflagged has the event's MODSEQ or a higher one.
        """
        append(self.mail)
        self.observe()
        append(self.mail)
        view = self.select()
        now(view.advance())
        (event,) = self.events
        self.assertEqual(view.mailbox_id, event.mailbox_id)
        self.assertEqual([False, True], [modseq >= event.modseq for modseq in view.snapshot.modseqs])
        now(view.change_flags([1], "+", ["\\Seen"]))
        now(view.advance())
        self.assertEqual([True, False], [modseq >= self.events[-1].modseq for modseq in view.snapshot.modseqs])
        self.assertEqual(SEEN, view.snapshot.masks[0] & SEEN)

    def test_the_rest(self) -> None:
        """
        Flags change, messages vanish, or move from one mailbox to another.
        """
        append(self.mail, "INBOX", b"1", b"2", b"3")
        view = self.select()
        self.observe()
        now(view.change_flags([1], "+", ["\\Deleted"]))
        self.assertEqual([("INBOX", REFLAGGED)], self.heard())
        now(view.change_flags([1], "+", ["\\Deleted"]))
        self.assertEqual([], self.heard())
        now(view.expunge())
        self.assertEqual([("INBOX", VANISHED)], self.heard())
        now(view.expunge())
        self.assertEqual([], self.heard())
        now(view.move([2], "Trash"))
        self.assertEqual({("INBOX", VANISHED), ("Trash", ARRIVED)}, set(self.heard()))

    def test_mailboxes(self) -> None:
        """
        A mailbox that is deleted has no name any more; INBOX renamed gives its messages away.
        """
        append(self.mail)
        now(self.mail.create_mailbox("Old"))
        append(self.mail, "Old")
        self.observe()
        now(self.mail.delete_mailbox("Old"))
        self.assertEqual([("", VANISHED)], self.heard())
        now(self.mail.rename_mailbox("INBOX", "Kept"))
        self.assertEqual({("INBOX", VANISHED), ("Kept", ARRIVED)}, set(self.heard()))
