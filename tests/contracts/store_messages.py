"""
The contract of stores: what happens to messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.contracts.store_case import StoreCase
from tests.support.drive import failure_of, now
from tests.support.stores import MESSAGE, append, arrival, deliver, queue_id, staged
from twisted_mail_server.interfaces import (
    IMailboxView,
    IStagedContent,
)
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Changes
from twisted_mail_server.model.errors import (
    MessageGone,
    NoSuchTarget,
    OverLimit,
)
from twisted_mail_server.model.flags import DELETED, FLAGGED, SEEN


class Appending(StoreCase):
    """
    APPEND (RFC 3501 section 6.3.11, RFC 3502).
    """

    def test_append(self) -> None:
        """
        A message is kept octet for octet, with its flags and date, under the next UID.
        """
        octets = b"\x00\xff bare\nlines\r and no header"
        result = append(self.mail, "INBOX", octets, flags=("\\Draft", "Work"), date=86_400)
        view = self.select()
        self.assertEqual((view.uidvalidity, (1,)), (result.uidvalidity, result.uids))
        self.assertEqual(octets, self.content(view, 1))
        (row,) = now(view.fetch([1]))
        self.assertEqual((1, len(octets), 86_400), (row.uid, row.size, row.internal_date))
        self.assertEqual(("\\Draft", "Work"), view.snapshot.keywords.flags(row.mask))
        self.assertEqual(16, len(row.content_id))

    def test_empty_message(self) -> None:
        """
        A message of no octets is a message.
        """
        append(self.mail, "INBOX", b"")
        view = self.select()
        self.assertEqual(b"", self.content(view, 1))
        (row,) = now(view.fetch([1], header=True))
        self.assertEqual((0, b""), (row.size, row.header))

    def test_several(self) -> None:
        """
        Several are added together, in their order.
        """
        result = append(self.mail, "Drafts", b"one", b"two", b"three")
        self.assertEqual((1, 2, 3), result.uids)
        view = self.select("Drafts")
        self.assertEqual([b"one", b"two", b"three"], [self.content(view, uid) for uid in result.uids])

    def test_all_or_nothing(self) -> None:
        """
        When one cannot be added, none is; what was staged is used up.
        """
        many = [f"k{number}" for number in range(limits.KEYWORDS + 1)]
        messages: list[tuple[IStagedContent, Sequence[str], int]] = [
            (staged(self.mail, b"one"), (), 0),
            (staged(self.mail, b"x" * 100_000), many, 0),
        ]
        failure_of(self.mail.append("INBOX", messages), OverLimit)
        self.assertEqual([], self.uids())
        self.assertEqual((), self.select().snapshot.keywords.names)

    def test_no_such_target(self) -> None:
        """
        A mailbox that is not there might be created first.
        """
        failure_of(self.mail.append("nowhere", [(staged(self.mail, MESSAGE), (), 0)]), NoSuchTarget)
        self.assertNotIn("nowhere", self.names())

    def test_large(self) -> None:
        """
        A large message is kept too, and read in pieces.
        """
        octets = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 20_000
        append(self.mail, "INBOX", octets, b"small", octets)
        self.restart()
        view = self.select()
        self.assertEqual(octets, self.content(view, 3))
        content = now(view.open_content(1))
        self.assertEqual(octets[100_000:100_010], now(content.read(100_000, 10)))
        self.assertEqual(octets[-5:], now(content.read(len(octets) - 5, 100)))
        self.assertEqual(b"", now(content.read(len(octets) + 1, 100)))
        self.assertEqual(b"", now(content.read(5, 0)))
        content.close()

    def test_every_size(self) -> None:
        """
        Sizes about every bound of where contents live are alike to whoever reads.
        """
        sizes = [
            bound + difference
            for bound in (limits.INLINE_KEPT, limits.INLINE_CONTENT, limits.CONTENT_PIECE)
            for difference in (-1, 0, 1)
        ]
        contents = [b"%d" % size + b"z" * (size - len(str(size))) for size in sizes]
        append(self.mail, "INBOX", *contents)
        now(self.mail.checkpoint())
        view = self.select()
        self.assertEqual(contents, [self.content(view, uid) for uid in view.snapshot.uids])
        self.assertEqual(sizes, [row.size for row in now(view.fetch(list(view.snapshot.uids)))])

    def test_staged_and_dropped(self) -> None:
        """
        What is staged and not added leaves nothing.
        """
        for content in (b"small", b"x" * 200_000):
            dropped = staged(self.mail, content)
            now(dropped.discard())
            now(dropped.discard())
        self.assertEqual([], self.uids())


class Delivery(StoreCase):
    """
    What comes out of the spool.
    """

    def test_deliver(self) -> None:
        """
        A delivered message is its prefix and content, with flags and date.
        """
        self.assertEqual(
            [True], deliver(self.mail, arrival(1, prefix=b"Delivered-To: a\r\n", flags=("\\Flagged", "spam")))
        )
        view = self.select()
        self.assertEqual(b"Delivered-To: a\r\n" + MESSAGE, self.content(view, 1))
        (row,) = now(view.fetch([1], header=True))
        self.assertEqual((len(b"Delivered-To: a\r\n" + MESSAGE), 1001), (row.size, row.internal_date))
        self.assertEqual(("\\Flagged", "spam"), view.snapshot.keywords.flags(row.mask))
        self.assertEqual(b"Delivered-To: a\r\nFrom: a@example.org\r\nSubject: Hello\r\n\r\n", row.header)

    def test_batch(self) -> None:
        """
        A batch goes to its mailboxes in order; one that is not there means INBOX.
        """
        batch = [arrival(1), arrival(2, mailbox="Junk"), arrival(3, mailbox="nowhere"), arrival(4, mailbox="inbox")]
        self.assertEqual([True] * 4, deliver(self.mail, *batch))
        self.assertEqual([1, 2, 3], self.uids())
        self.assertEqual([1], self.uids("Junk"))

    def test_repeat(self) -> None:
        """
        A repeated delivery is recognised, after a restart and an EXPUNGE too.
        """
        deliver(self.mail, arrival(1), arrival(2))
        view = self.select()
        now(view.expunge([1], only_deleted=False))
        self.restart()
        self.assertEqual([False, False, True], deliver(self.mail, arrival(1), arrival(2), arrival(3)))
        self.assertEqual([2, 3], self.uids())

    def test_repeat_in_a_batch(self) -> None:
        """
        One message to two recipients of one account is two; twice to the same is one.
        """
        self.assertEqual([True, True, False], deliver(self.mail, arrival(1), arrival(1, recipient=1), arrival(1)))
        self.assertEqual([1, 2], self.uids())

    def test_settled(self) -> None:
        """
        Once its fate is durable in the spool, a message's delivery is no longer remembered.
        """
        deliver(self.mail, arrival(1), arrival(2))
        self.assertEqual([], deliver(self.mail, settled=[queue_id(1)]))
        self.assertEqual([True, False], deliver(self.mail, arrival(1), arrival(2)))

    def test_large_file(self) -> None:
        """
        Large content comes as a file of the spool, and outlives that file.
        """
        octets = b"Subject: large\r\n\r\n" + b"y" * 300_000
        path = self.large_file(octets)
        deliver(self.mail, arrival(1, content=octets, path=path), arrival(2, content=octets, path=path, is_shared=True))
        self.remove_file(path)
        view = self.select()
        for uid in (1, 2):
            self.assertEqual(b"Return-Path: <>\r\n" + octets, self.content(view, uid))

    def test_shared(self) -> None:
        """
        Content that many accounts get is kept like any other.
        """
        deliver(self.mail, arrival(1, is_shared=True))
        self.assertEqual(b"Return-Path: <>\r\n" + MESSAGE, self.content(self.select(), 1))

    def test_too_many_keywords(self) -> None:
        """
        A message is worth more than its labels: those that do not fit are left out.
        """
        many = tuple(f"k{number:03}" for number in range(limits.KEYWORDS + 5))
        deliver(self.mail, arrival(1, flags=("\\Seen", *many)))
        snapshot = self.select().snapshot
        self.assertEqual(("\\Seen", *many[: limits.KEYWORDS]), snapshot.keywords.flags(snapshot.masks[0]))


class Flags(StoreCase):
    """
    STORE (RFC 3501 section 6.4.6, RFC 7162 section 3.1).
    """

    def flags(self, view: IMailboxView, uid: int) -> tuple[str, ...]:
        """
        A message's flags as another session sees them.
        """
        other = self.select(claim_recent=False)
        found = other.snapshot.keywords.flags(other.snapshot.masks[list(other.snapshot.uids).index(uid)])
        now(other.close())
        return found

    def test_operations(self) -> None:
        """
        Flags are added, removed and replaced.
        """
        self.fill(1)
        view = self.select()
        for operation, flags, expected in (
            ("+", ["\\Seen", "work"], ("\\Seen", "work")),
            ("+", ["\\seen", "WORK", "$MDNSent"], ("\\Seen", "work", "$MDNSent")),
            ("-", ["\\Seen", "unknown"], ("work", "$MDNSent")),
            ("=", ["\\Flagged", "work"], ("\\Flagged", "work")),
            ("=", [], ()),
        ):
            result = now(view.change_flags([1], operation, flags))
            self.assertEqual(expected, self.flags(view, 1))
            self.assertEqual([1], [message.uid for message in result.now])
        self.assertEqual(("work", "$MDNSent"), self.select().snapshot.keywords.names)

    def test_modseq_grows(self) -> None:
        """
        Each change gives a higher MODSEQ to what changed, and none to what did not.
        """
        self.fill(3)
        view = self.select()
        before = view.snapshot
        result = now(view.change_flags([1, 2], "+", ["\\Seen"]))
        again = now(view.change_flags([1, 2, 3], "+", ["\\Seen"]))
        now(view.advance())
        after = view.snapshot
        first, second = result.now[0].modseq, again.now[2].modseq
        self.assertGreater(first, before.modseq)
        self.assertGreater(second, first)
        self.assertEqual([first, first, second], list(after.modseqs))
        self.assertEqual(second, after.modseq)
        self.assertEqual([SEEN] * 3, list(after.masks))
        now(view.change_flags([1, 2, 3], "+", ["\\Seen"]))
        self.assertEqual(Changes(), now(view.advance()))

    def test_modseq_of_the_account(self) -> None:
        """
        A MODSEQ is given once in an account, whatever the mailbox.
        """
        self.fill(1)
        self.fill(1, "Junk")
        first, second = now(self.mail.status("INBOX")).modseq, now(self.mail.status("Junk")).modseq
        self.assertGreater(second, first)

    def test_unchanged_since(self) -> None:
        """
        Messages changed later than the client knows are left alone, and named (RFC 7162 section 3.1.3).
        """
        self.fill(3)
        view = self.select()
        known = view.snapshot.modseq
        now(view.change_flags([2], "+", ["\\Seen"]))
        result = now(view.change_flags([1, 2, 3], "+", ["\\Flagged"], unchanged_since=known))
        self.assertEqual((2,), result.modified)
        self.assertEqual([(1, FLAGGED), (3, FLAGGED)], [(message.uid, message.mask) for message in result.now])
        now(view.advance())
        self.assertEqual([FLAGGED, SEEN, FLAGGED], list(view.snapshot.masks))

    def test_many(self) -> None:
        """
        Scattered messages of different flags are changed together, each rightly.
        """
        self.fill(50)
        view = self.select()
        now(view.change_flags(list(range(1, 51, 3)), "+", ["\\Seen"]))
        now(view.change_flags(list(range(1, 51, 2)), "+", ["\\Deleted"]))
        now(view.change_flags([*range(1, 20), *range(30, 51)], "-", ["\\Seen"]))
        now(view.advance())
        expected = [
            (SEEN if uid % 3 == 1 and 20 <= uid < 30 else 0) | (DELETED if uid % 2 else 0) for uid in range(1, 51)
        ]
        self.assertEqual(expected, list(view.snapshot.masks))
        status = now(self.mail.status("INBOX"))
        self.assertEqual(50 - sum(1 for mask in expected if mask & SEEN), status.unseen)
        self.assertEqual(25, status.deleted)

    def test_gone_messages(self) -> None:
        """
        What is not there is left out.
        """
        self.fill(1)
        view = self.select()
        self.assertEqual([1], [message.uid for message in now(view.change_flags([1, 7], "+", ["\\Seen"])).now])
        self.assertEqual((), now(view.change_flags([7], "+", ["\\Seen"])).now)

    def test_keyword_beyond_the_limit(self) -> None:
        """
        A mailbox holds a bounded number of keywords; one more changes nothing.
        """
        self.fill(2)
        view = self.select()
        many = [f"k{number}" for number in range(limits.KEYWORDS)]
        now(view.change_flags([1], "+", many))
        failure_of(view.change_flags([1, 2], "+", ["\\Seen", "one-more"]), OverLimit)
        self.assertEqual(set(many), set(self.flags(view, 1)))
        self.assertEqual((), self.flags(view, 2))
        now(view.change_flags([2], "+", [many[-1], "\\Seen"]))
        self.assertEqual(("\\Seen", many[-1]), self.flags(view, 2))

    def test_flags_are_durable(self) -> None:
        """
        Flags outlive the program.
        """
        self.fill(1)
        now(self.select().change_flags([1], "+", ["\\Answered"]))
        self.restart()
        self.assertEqual(("\\Answered",), self.flags(self.select(), 1))


class Expunging(StoreCase):
    """
    EXPUNGE and UID EXPUNGE (RFC 3501 section 6.4.3, RFC 4315 section 2.1).
    """

    def test_deleted_only(self) -> None:
        """
        What is marked goes, among the given if any are given.
        """
        self.fill(4)
        view = self.select()
        now(view.change_flags([1, 2, 4], "+", ["\\Deleted"]))
        self.assertEqual((2,), now(view.expunge([2, 3, 9])))
        self.assertEqual((1, 4), now(view.expunge()))
        self.assertEqual((), now(view.expunge()))
        self.assertEqual([3], self.uids())

    def test_just_those(self) -> None:
        """
        POP3 removes what it was told to, marked or not.
        """
        self.fill(3)
        self.assertEqual((1, 3), now(self.select().expunge([3, 1], only_deleted=False)))
        self.restart()
        self.assertEqual([2], self.uids())

    def test_uids_are_never_reused(self) -> None:
        """
        A UID is given once, also after the last message is gone and the program restarted.
        """
        self.fill(2)
        now(self.select().expunge([1, 2], only_deleted=False))
        self.restart()
        self.assertEqual((3,), self.fill(1))

    def test_expunge_raises_modseq(self) -> None:
        """
        An EXPUNGE raises the mailbox's MODSEQ (RFC 7162 section 3.1.1).
        """
        self.fill(1)
        before = now(self.mail.status("INBOX")).modseq
        now(self.select().expunge([1], only_deleted=False))
        self.assertGreater(now(self.mail.status("INBOX")).modseq, before)

    def test_open_content_stays_readable(self) -> None:
        """
        Content that is open is read to its end, expunged, cleaned up or not.
        """
        octets = b"q" * 100_000
        append(self.mail, "INBOX", octets, MESSAGE)
        view = self.select()
        opened = [now(view.open_content(uid)) for uid in (1, 2)]
        now(view.expunge([1, 2], only_deleted=False))
        now(view.advance())
        now(self.mail.checkpoint())
        self.assertEqual([octets, MESSAGE], [now(content.read()) for content in opened])
        for content in opened:
            content.close()
            content.close()

    def test_ghosts(self) -> None:
        """
        A session that still sees an expunged message can read it.
        """
        append(self.mail, "INBOX", MESSAGE, b"z" * 100_000)
        reader, other = self.select(), self.select()
        now(other.expunge([1, 2], only_deleted=False))
        now(self.mail.checkpoint())
        self.assertEqual([1, 2], [row.uid for row in now(reader.fetch([1, 2], header=True))])
        self.assertEqual([1, 2], list(now(reader.rendered([1, 2]))))
        self.assertEqual(MESSAGE, self.content(reader, 1))
        self.assertEqual(b"z" * 100_000, self.content(reader, 2))

    def test_never_there(self) -> None:
        """
        A message that was never there cannot be opened, and has no row.
        """
        view = self.select()
        failure_of(view.open_content(99), MessageGone)
        self.assertEqual([], now(view.fetch([99])))


class Copying(StoreCase):
    """
    COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851).
    """

    def test_copy(self) -> None:
        """
        Copies have flags, date and content of the originals, which stay; the answer pairs their UIDs.
        """
        append(self.mail, "INBOX", b"one", b"two", b"three", flags=("\\Seen", "work"), date=5)
        self.fill(1, "Archive", flags=("other",))
        view = self.select()
        result = now(view.copy([1, 3], "Archive"))
        self.assertEqual(((1, 3), (2, 3)), (result.uids, result.copies))
        target = self.select("Archive")
        self.assertEqual(target.uidvalidity, result.uidvalidity)
        self.assertEqual([b"one", b"three"], [self.content(target, uid) for uid in (2, 3)])
        original, copy = now(view.fetch([1]))[0], now(target.fetch([2]))[0]
        self.assertEqual(("\\Seen", "work"), target.snapshot.keywords.flags(copy.mask))
        self.assertEqual((original.internal_date, original.size), (copy.internal_date, copy.size))
        self.assertEqual(original.content_id, copy.content_id)
        self.assertEqual([1, 2, 3], self.uids())
        self.assertEqual((3, 1), (now(self.mail.status("Archive")).messages, now(self.mail.status("Archive")).unseen))

    def test_copy_to_itself(self) -> None:
        """
        A mailbox may be its own target.
        """
        self.fill(2)
        view = self.select()
        self.assertEqual((3, 4), now(view.copy([1, 2], "inbox")).copies)
        self.assertEqual((3, 4), now(view.advance()).arrived)

    def test_move(self) -> None:
        """
        Moved messages are there and no longer here.
        """
        append(self.mail, "INBOX", b"one", b"two", flags=("\\Flagged",))
        view = self.select()
        result = now(view.move([2], "Trash"))
        self.assertEqual(((2,), (1,)), (result.uids, result.copies))
        self.restart()
        self.assertEqual([1], self.uids())
        target = self.select("Trash")
        self.assertEqual(b"two", self.content(target, 1))
        self.assertEqual([FLAGGED], list(target.snapshot.masks))
        statuses = [now(self.mail.status(name)) for name in ("INBOX", "Trash")]
        self.assertEqual([(1, 3), (1, 3)], [(status.messages, status.size) for status in statuses])

    def test_move_to_itself(self) -> None:
        """
        Moved within its mailbox, a message gets a new UID.
        """
        self.fill(1)
        view = self.select()
        self.assertEqual((2,), now(view.move([1], "INBOX")).copies)
        self.assertEqual(Changes(vanished=(1,), arrived=(2,)), now(view.advance()))

    def test_copy_to_nowhere(self) -> None:
        """
        Without a target nothing happens.
        """
        self.fill(1)
        view = self.select()
        failure_of(view.copy([1], "nowhere"), NoSuchTarget)
        failure_of(view.move([1], "nowhere"), NoSuchTarget)
        self.assertEqual([1], self.uids())

    def test_copy_of_gone_messages(self) -> None:
        """
        What is gone is left out; of nothing there are no copies.
        """
        self.fill(1)
        view = self.select()
        self.assertEqual(((1,), (1,)), (now(view.copy([1, 8], "Junk")).uids, (1,)))
        self.assertEqual(((), ()), (now(view.copy([8], "Junk")).uids, now(view.move([8], "Junk")).copies))

    def test_keywords_that_do_not_fit(self) -> None:
        """
        A copy is worth more than its labels.
        """
        many = [f"k{number}" for number in range(limits.KEYWORDS)]
        append(self.mail, "Archive", MESSAGE, flags=many)
        append(self.mail, "INBOX", MESSAGE, flags=("\\Seen", "k3", "new"))
        now(self.select().copy([1], "Archive"))
        snapshot = self.select("Archive").snapshot
        self.assertEqual(("\\Seen", "k3"), snapshot.keywords.flags(snapshot.masks[1]))

    def test_original_goes(self) -> None:
        """
        A copy outlives its original.
        """
        octets = b"w" * 100_000
        append(self.mail, "INBOX", octets, MESSAGE)
        view = self.select()
        now(view.copy([1, 2], "Archive"))
        now(view.expunge([1, 2], only_deleted=False))
        now(view.close())
        self.clock.advance(100_000)
        now(self.mail.checkpoint())
        target = self.select("Archive")
        self.assertEqual([octets, MESSAGE], [self.content(target, uid) for uid in (1, 2)])
