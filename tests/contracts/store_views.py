"""
The contract of stores: what sessions see.
"""

from __future__ import annotations

from tests.contracts.store_case import StoreCase
from tests.support.drive import now
from tests.support.stores import ALICE, MESSAGE, append, arrival, deliver
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Changes
from twisted_mail_server.model.flags import SEEN
from twisted_mail_server.protocols.imap.rendering import pack, render


class Views(StoreCase):
    """
    What a session sees, and when (RFC 3501 sections 5.2 and 7.4.1).
    """

    def test_nothing_moves_by_itself(self) -> None:
        """
        A view stays as it is until it advances, whatever others do.
        """
        self.fill(3)
        view, other = self.select(), self.select()
        before = view.snapshot
        now(other.change_flags([1], "+", ["\\Seen"]))
        now(other.expunge([2], only_deleted=False))
        self.fill(1)
        self.assertIs(before, view.snapshot)
        self.assertEqual([1, 2, 3], list(view.snapshot.uids))
        self.assertEqual([0, 0, 0], list(view.snapshot.masks))

    def test_advance(self) -> None:
        """
        Advancing tells what vanished, arrived and was reflagged, once.
        """
        self.fill(3)
        view, other = self.select(), self.select()
        now(other.change_flags([1], "+", ["\\Seen", "new"]))
        now(other.expunge([2], only_deleted=False))
        self.fill(1, flags=("\\Flagged",))
        changes = now(view.advance())
        self.assertEqual(((2,), (4,)), (changes.vanished, changes.arrived))
        self.assertEqual([1], [message.uid for message in changes.reflagged])
        snapshot = view.snapshot
        self.assertEqual(("\\Seen", "new"), snapshot.keywords.flags(changes.reflagged[0].mask))
        self.assertEqual([1, 3, 4], list(snapshot.uids))
        self.assertEqual((5, now(self.mail.status("INBOX")).modseq), (snapshot.uidnext, snapshot.modseq))
        self.assertEqual(Changes(), now(view.advance()))

    def test_came_and_went(self) -> None:
        """
        What arrived and vanished in between is never told of.
        """
        view, other = self.select(), self.select()
        self.fill(2)
        now(other.expunge([1], only_deleted=False))
        self.assertEqual(Changes(arrived=(2,)), now(view.advance()))

    def test_keep_vanished(self) -> None:
        """
        Where no EXPUNGE may be sent, what vanished stays in its place, and is told of later.
        """
        self.fill(4)
        view, other = self.select(), self.select()
        now(other.expunge([2, 4], only_deleted=False))
        self.fill(1)
        changes = now(view.advance(keep_vanished=True))
        self.assertEqual(((), (5,)), (changes.vanished, changes.arrived))
        self.assertEqual([1, 2, 3, 4, 5], list(view.snapshot.uids))
        now(other.expunge([1], only_deleted=False))
        now(other.change_flags([3], "+", ["\\Seen"]))
        changes = now(view.advance(keep_vanished=True))
        self.assertEqual(((), [3]), (changes.vanished, [message.uid for message in changes.reflagged]))
        self.assertEqual([1, 2, 3, 4, 5], list(view.snapshot.uids))
        self.assertEqual(Changes(), now(view.advance(keep_vanished=True)))
        self.assertEqual(Changes(vanished=(1, 2, 4)), now(view.advance()))
        self.assertEqual([3, 5], list(view.snapshot.uids))

    def test_modseq_while_vanished_are_kept(self) -> None:
        """
        The MODSEQ a client may remember does not run ahead of what it has not been told (RFC 7162 section 3.2).
        """
        self.fill(2)
        view, other = self.select(), self.select()
        before = view.snapshot.modseq
        now(other.expunge([1], only_deleted=False))
        now(view.advance(keep_vanished=True))
        self.assertEqual(before, view.snapshot.modseq)
        now(view.advance())
        self.assertGreater(view.snapshot.modseq, before)

    def test_vanished_since(self) -> None:
        """
        What was expunged is remembered, after a restart too, up to what the view has seen (RFC 7162 section 3.2.6).
        """
        self.fill(6)
        start = self.select().snapshot.modseq
        view, other = self.select(), self.select()
        now(other.expunge([5, 2], only_deleted=False))
        now(other.change_flags([1], "+", ["\\Seen"]))
        now(other.advance())
        middle = other.snapshot.modseq
        now(other.move([3], "Trash"))
        self.assertEqual((), now(view.vanished_since(start)))
        self.assertEqual((2, 5), now(other.vanished_since(start)))
        now(view.advance())
        self.assertEqual((2, 3, 5), now(view.vanished_since(start)))
        self.assertEqual((3,), now(view.vanished_since(middle)))
        self.assertEqual((), now(view.vanished_since(view.snapshot.modseq)))
        self.restart()
        view = self.select()
        self.assertEqual((2, 3, 5), now(view.vanished_since(start)))
        now(view.expunge([6], only_deleted=False))
        now(view.advance(keep_vanished=True))
        self.assertEqual((2, 3, 5), now(view.vanished_since(start)))

    def test_two_accounts_objects(self) -> None:
        """
        However often an account is opened, its mail is one.
        """
        view = self.select()
        deliver(now(self.store.open(ALICE)), arrival(1))
        self.assertEqual(Changes(arrived=(1,)), now(view.advance()))

    def test_deleted_mailbox(self) -> None:
        """
        When the mailbox goes, sessions are told and find nothing more in it.
        """
        now(self.mail.create_mailbox("a"))
        self.fill(1, "a")
        view = self.select("a")
        heard: list[str] = []
        view.listen(lambda: heard.append("news"))
        now(self.mail.delete_mailbox("a"))
        self.assertEqual(["news"], heard[:1])
        now(self.mail.create_mailbox("a"))
        self.fill(1, "a")
        self.assertTrue(now(view.advance()).is_deleted)
        self.assertEqual((), now(view.change_flags([1], "+", ["\\Seen"])).now)
        self.assertEqual((), now(view.expunge([1], only_deleted=False)))
        self.assertEqual((), now(view.copy([1], "INBOX")).copies)
        now(view.close())
        self.assertEqual([1], self.uids("a"))

    def test_removed_account(self) -> None:
        """
        When the account goes, sessions are told.
        """
        view = self.select()
        now(self.store.remove(ALICE))
        self.assertTrue(now(view.advance()).is_deleted)
        now(view.close())

    def test_renamed_mailbox(self) -> None:
        """
        A session goes on in a mailbox that is renamed under it.
        """
        now(self.mail.create_mailbox("a"))
        view = self.select("a")
        now(self.mail.rename_mailbox("a", "b"))
        self.fill(1, "b")
        self.assertEqual(Changes(arrived=(1,)), now(view.advance()))
        self.assertEqual("a", view.name)

    def test_listen(self) -> None:
        """
        Whoever listens is told of every kind of change, until it ends.
        """
        self.fill(3)
        view, other = self.select(), self.select()
        heard: list[int] = []
        view.listen(lambda: heard.append(1))
        for step in (
            lambda: deliver(self.mail, arrival(1)),
            lambda: append(self.mail),
            lambda: now(other.change_flags([1], "+", ["\\Seen"])),
            lambda: now(other.copy([1], "INBOX")),
            lambda: now(other.move([1], "Junk")),
            lambda: now(other.expunge([2], only_deleted=False)),
        ):
            heard.clear()
            step()
            self.assertTrue(heard)
        heard.clear()
        append(self.mail, "Junk")
        self.assertEqual([], heard)
        view.listen(None)
        append(self.mail)
        self.assertEqual([], heard)

    def test_failing_listener(self) -> None:
        """
        One session's failure to hear is not another's.
        """
        views = [self.select() for _ in range(3)]
        heard: list[int] = []

        def fail() -> None:
            raise RuntimeError("deaf")

        for number, view in enumerate(views):
            view.listen(fail if number == 1 else lambda: heard.append(1))
        self.fill(1)
        self.assertEqual([1, 1], heard)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_closed_view_hears_nothing(self) -> None:
        """
        A closed view is not called, and may be closed again.
        """
        view = self.select()
        heard: list[int] = []
        view.listen(lambda: heard.append(1))
        now(view.close())
        now(view.close())
        self.fill(1)
        self.assertEqual([], heard)

    def test_fetch_is_of_now(self) -> None:
        """
        Rows come in the order asked for, with the flags of now, not of the snapshot.
        """
        self.fill(3)
        view, other = self.select(), self.select()
        now(other.change_flags([2], "+", ["\\Seen"]))
        rows = now(view.fetch([3, 2, 1, 2]))
        self.assertEqual([(3, 0), (2, SEEN), (1, 0), (2, SEEN)], [(row.uid, row.mask) for row in rows])
        self.assertIsNone(rows[0].header)

    def test_read_ahead(self) -> None:
        """
        Messages are read ahead in the order asked for, octet for octet, as many as make up a piece together; what is larger than
        that, or gone, has to be opened.
        """
        piece = limits.CONTENT_PIECE
        append(self.mail, "INBOX", MESSAGE, b"", b"x" * limits.INLINE_KEPT, b"y" * 20_000, b"z" * 50_000, MESSAGE)
        append(self.mail, "INBOX", b"l" * (piece + 1), b"m" * piece, b"n" * piece, b"o")
        deliver(self.mail, arrival(1), arrival(2, content=b"x" * limits.INLINE_KEPT))
        for _ in range(2):
            view = self.select()
            whole = {uid: self.content(view, uid) for uid in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12)}
            now(view.expunge([6], only_deleted=False))
            expected = [whole.get(uid) for uid in (12, 11, 1, 2, 3, 4, 5, 6, 7, 99)]
            self.assertEqual(expected, now(view.read_ahead([12, 11, 1, 2, 3, 4, 5, 6, 7, 99])))
            self.assertEqual([whole[8], whole[9]], now(view.read_ahead([8, 9, 10])))
            self.assertEqual([None, whole[8], whole[9]], now(view.read_ahead([7, 8, 9, 1])))
            self.assertEqual([None], now(view.read_ahead([7])))
            self.assertEqual([], now(view.read_ahead([])))
            now(self.mail.checkpoint())
            self.restart()

    def test_rendered(self) -> None:
        """
        What IMAP says of a message's shape is the same at every fetch, and after a restart.
        """
        large = b"Subject: large\r\n\r\n" + b"line\r\n" * 30_000
        append(self.mail, "INBOX", MESSAGE, large, b"")
        expected = {uid: pack(render(octets)) for uid, octets in ((1, MESSAGE), (2, large), (3, b""))}
        self.assertEqual(expected, now(self.select().rendered([2, 1, 3, 99, 1])))
        self.restart()
        view = self.select()
        self.assertEqual(expected, now(view.rendered([1, 2, 3])))
        self.assertEqual(b"Subject: large\r\n\r\n", now(view.headers([2]))[2])

    def test_long_header(self) -> None:
        """
        A header however long is given whole.
        """
        header = b"Subject: x\r\n" + b"X-Filler: " + b"y" * 200_000 + b"\r\n\r\n"
        append(self.mail, "INBOX", header + b"body", b"no end of header " * 5000)
        rows = now(self.select().fetch([1, 2], header=True))
        self.assertEqual([header, b"no end of header " * 5000], [row.header for row in rows])

    def test_arrays(self) -> None:
        """
        A snapshot is of packed arrays, ascending.
        """
        self.fill(3)
        snapshot = self.select().snapshot
        self.assertEqual(["I", "Q", "Q"], [snapshot.uids.typecode, snapshot.masks.typecode, snapshot.modseqs.typecode])

    def test_big_mailbox(self) -> None:
        """
        Ten thousand messages are counted, changed, copied, expunged and seen like three.
        """
        small = [arrival(number, content=b"%d" % number, prefix=b"") for number in range(10_000)]
        self.assertEqual([True] * 10_000, deliver(self.mail, *small))
        view, other = self.select(), self.select()
        self.assertEqual(list(range(1, 10_001)), list(view.snapshot.uids))
        every = list(view.snapshot.uids)
        result = now(other.change_flags(every[::2], "+", ["\\Deleted"]))
        self.assertEqual(5000, len(result.now))
        self.assertEqual(10_000, len(now(other.copy(every, "Archive")).copies))
        self.assertEqual(5000, len(now(other.expunge())))
        self.fill(1)
        changes = now(view.advance())
        self.assertEqual((tuple(every[::2]), (10_001,), ()), (changes.vanished, changes.arrived, changes.reflagged))
        self.assertEqual([b"1", b"9999"], [self.content(view, 2), self.content(view, 10_000)])
        self.assertEqual(5001, len(now(view.fetch(view.snapshot.uids))))
        status = now(self.mail.status("Archive"))
        self.assertEqual((10_000, 5000), (status.messages, status.deleted))


class Recent(StoreCase):
    """
    C{\\Recent} (RFC 3501 section 2.3.2).
    """

    def test_claimed_once(self) -> None:
        """
        What is recent is so for the first session that claims it.
        """
        self.fill(2)
        self.assertEqual(2, now(self.mail.status("INBOX")).recent)
        first, second = self.select(), self.select()
        self.assertEqual((frozenset({1, 2}), frozenset()), (first.recent, second.recent))
        self.assertEqual(0, now(self.mail.status("INBOX")).recent)
        now(first.close())
        now(second.close())
        self.restart()
        self.assertEqual(frozenset(), self.select().recent)

    def test_examine_claims_nothing(self) -> None:
        """
        A session that only looks sees what is recent, and leaves it so.
        """
        self.fill(1)
        self.assertEqual(frozenset({1}), self.select(claim_recent=False).recent)
        self.assertEqual(frozenset({1}), self.select().recent)

    def test_arriving(self) -> None:
        """
        What arrives is recent in one session that claims, and no longer when it has vanished.
        """
        view = self.select()
        self.fill(2)
        now(view.advance())
        self.assertEqual(frozenset({1, 2}), view.recent)
        now(view.expunge([1], only_deleted=False))
        now(view.advance())
        self.assertEqual(frozenset({2}), view.recent)
        other = self.select()
        self.assertEqual(frozenset(), other.recent)
        now(view.close())
        now(other.close())
        self.restart()
        self.fill(1)
        self.assertEqual(frozenset({3}), self.select().recent)
