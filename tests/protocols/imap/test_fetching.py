"""
L{twisted_mail_server.protocols.imap.fetching}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import failure_of, now
from tests.support.fetching import (
    NESTED,
    PLAIN,
    BadContent,
    BadView,
    Wire,
    fetch,
    mailbox,
    numbered,
    plan,
    view_of,
)
from tests.support.messages import corpus_answers, corpus_messages
from tests.support.stores import append
from twisted_mail_server.interfaces import IMailboxView
from twisted_mail_server.model import limits
from twisted_mail_server.model.changes import Reflagged
from twisted_mail_server.model.errors import DiskFull, PeerError, SyntaxProblem, TemporaryFailure, TooLong
from twisted_mail_server.model.flags import FLAGGED, SEEN, Keywords
from twisted_mail_server.protocols.imap import fetching
from twisted_mail_server.protocols.imap.cursor import Cursor
from twisted_mail_server.protocols.imap.fetch_vocabulary import Batch, FetchItem, FlagWriter
from twisted_mail_server.protocols.imap.fetching import LiteralBroken
from twisted_mail_server.protocols.imap.rendering import render
from twisted_mail_server.storage.memory import MemoryView

#: More than is read at a time.
LARGE = PLAIN + b"x" * 70 * limits.KIB * 10


def literal(octets: bytes) -> bytes:
    """
    As it is sent.
    """
    return b"{%d}\r\n%b" % (len(octets), octets)


def bad(view: IMailboxView, **wrong: Any) -> IMailboxView:
    """
    A view in which that goes wrong.
    """
    return cast(IMailboxView, BadView(view, **wrong))


class ReadingTests(SynchronousTestCase):
    """
    L{fetching.read_items}
    """

    def test_macros(self) -> None:
        """
        Each macro of RFC 3501 section 6.4.5 stands for its items, in whatever case.
        """
        fast = [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"]
        for name, items in ((b"fast", fast), (b"ALL", [*fast, b"ENVELOPE"]), (b"Full", [*fast, b"ENVELOPE", b"BODY"])):
            self.assertEqual(items, [item.name for item in plan(name).items])

    def test_names(self) -> None:
        """
        Each item is answered under its own name, sections as they were asked for, a partial one with its origin only.
        """
        for asked, name in {
            b"uid": b"UID",
            b"body": b"BODY",
            b"BODYSTRUCTURE": b"BODYSTRUCTURE",
            b"rfc822.text": b"RFC822.TEXT",
            b"BODY.PEEK[]": b"BODY[]",
            b"body[text]<0.10>": b"BODY[TEXT]<0>",
            b"BODY[1.2.mime]": b"BODY[1.2.MIME]",
            b"BODY[3]": b"BODY[3]",
            b"BODY[header]": b"BODY[HEADER]",
            b'BODY[HEADER.FIELDS (Date "From" "a\\"b)")]': b'BODY[HEADER.FIELDS (Date From "a\\"b)")]',
            b"BODY[4.HEADER.FIELDS.NOT (X)]<5.1>": b"BODY[4.HEADER.FIELDS.NOT (X)]<5>",
        }.items():
            self.assertEqual([name], [item.name for item in plan(asked).items])

    def test_marks_seen(self) -> None:
        """
        BODY[], RFC822 and RFC822.TEXT mark a message as seen; a peek and RFC822.HEADER do not (RFC 3501 section 6.4.5).
        """
        for asked in (
            b"BODY[]",
            b"BODY[1]",
            b"BODY[HEADER]",
            b"BODY[TEXT]",
            b"RFC822",
            b"RFC822.TEXT",
            b"(UID BODY[])",
        ):
            self.assertTrue(plan(asked).marks_seen, asked)
        for asked in (b"BODY.PEEK[]", b"BODY", b"RFC822.HEADER", b"FULL"):
            self.assertFalse(plan(asked).marks_seen, asked)

    def test_malformed(self) -> None:
        """
        What the grammar does not allow is refused.
        """
        for asked in (
            b"",
            b"()",
            b"NONSENSE",
            b"(ALL)",
            b"FLAGS UID",
            b"(FLAGS  UID)",
            b"(FLAGS",
            b"BODY.PEEK",
            b"BODY[",
            b"BODY[0]",
            b"BODY[1.]",
            b"BODY[1.0]",
            b"BODY[MIME]",
            b"BODY[HEADER.FIELDS]",
            b"BODY[HEADER.FIELDS ()]",
            b"BODY[HEADER.FIELDS (a:b)]",
            b'BODY[HEADER.FIELDS ("")]',
            b"BODY[HEADERS]",
            b"BODY[1 ]",
            b"BODY[]<1>",
            b"BODY[]<1.0>",
            b"BODY[]<1.1",
            b"BODY[]<99999999999.1>",
        ):
            with self.assertRaises(SyntaxProblem, msg=repr(asked)):
                plan(asked)

    def test_bounds(self) -> None:
        """
        As many items as the limit says, and no more.
        """
        self.assertEqual(limits.FETCH_ITEMS, len(plan(b"(%b)" % b" ".join([b"UID"] * limits.FETCH_ITEMS)).items))
        with self.assertRaises(TooLong):
            plan(b"(%b)" % b" ".join([b"UID"] * (limits.FETCH_ITEMS + 1)))

    def test_further_items(self) -> None:
        """
        A table with one line more knows one item more.
        """

        def modseqs(batch: Batch) -> list[int]:
            return [batch.snapshot.modseqs[position - 1] for position in batch.positions]

        item = FetchItem(b"MODSEQ", column=modseqs, form=b"(%d)")
        table = {**fetching.FETCH_ITEMS, b"MODSEQ": lambda _: item}
        found = fetching.read_items(Cursor([b"(UID MODSEQ)"]), table)
        _, view = mailbox(PLAIN)
        wire = Wire()
        now(fetching.run(found, view, numbered(view), wire.write))
        self.assertEqual(b"* 1 FETCH (UID 1 MODSEQ (%d))\r\n" % view.snapshot.modseqs[0], wire.octets)


class FlagWriterTests(SynchronousTestCase):
    """
    L{FlagWriter}
    """

    def test_flags(self) -> None:
        """
        System flags come first, then keywords, then C{\\Recent}, which is a session's own.
        """
        writer = FlagWriter(Keywords(("$Forwarded", "work")))
        self.assertEqual(b"()", writer.write(0))
        self.assertEqual(b"(\\Recent)", writer.write(0, True))
        self.assertEqual(b"(\\Seen \\Flagged work)", writer.write(SEEN | FLAGGED | 1 << 6))
        self.assertEqual(b"(\\Seen $Forwarded \\Recent)", writer.write(SEEN | 1 << 5, True))
        self.assertIs(writer.write(SEEN), writer.write(SEEN))


class ColumnTests(SynchronousTestCase):
    """
    Items that need no content.
    """

    def test_flags(self) -> None:
        """
        Flags and UIDs come from the session's arrays alone.
        """
        mail, _ = mailbox(PLAIN)
        append(mail, "INBOX", PLAIN, flags=("\\Seen", "work"))
        view = bad(view_of(mail))
        self.assertEqual(
            (b"* 1 FETCH (FLAGS (\\Recent) UID 1)\r\n* 2 FETCH (FLAGS (\\Seen work) UID 2)\r\n", 0),
            fetch(view, b"(FLAGS UID)", recent=frozenset([1])),
        )
        self.assertEqual(b"* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS (\\Seen work))\r\n", fetch(view, b"FLAGS")[0])
        self.assertEqual([], cast(BadView, view).fetched)

    def test_uid(self) -> None:
        """
        UID FETCH tells the UID first, unless it was asked for anyway (RFC 3501 section 6.4.8).
        """
        _, view = mailbox(PLAIN)
        self.assertEqual(b"* 1 FETCH (UID 1 FLAGS ())\r\n", fetch(view, b"FLAGS", with_uid=True)[0])
        self.assertEqual(b"* 1 FETCH (FLAGS () UID 1)\r\n", fetch(view, b"(FLAGS UID)", with_uid=True)[0])

    def test_rows(self) -> None:
        """
        Size and internal date, the day without its zero, come from the rows.
        """
        mail, _ = mailbox()
        append(mail, "INBOX", PLAIN, date=760_659_145)
        self.assertEqual(
            b'* 1 FETCH (INTERNALDATE " 7-Feb-1994 22:12:25 +0000" RFC822.SIZE %d)\r\n' % len(PLAIN),
            fetch(view_of(mail), b"(INTERNALDATE RFC822.SIZE)")[0],
        )

    def test_impossible_dates(self) -> None:
        """
        A date that no date-time can name becomes the nearest that one can.
        """
        mail, _ = mailbox()
        append(mail, "INBOX", PLAIN, date=10**15)
        append(mail, "INBOX", PLAIN, date=-(10**15))
        self.assertEqual(
            b'* 1 FETCH (INTERNALDATE "31-Dec-9999 23:59:59 +0000")\r\n'
            b'* 2 FETCH (INTERNALDATE " 1-Jan-0001 00:00:00 +0000")\r\n',
            fetch(view_of(mail), b"INTERNALDATE")[0],
        )

    def test_corpus(self) -> None:
        """
        ENVELOPE and BODYSTRUCTURE of the sample messages are what was rendered, size and header what was stored.
        """
        answers, messages = corpus_answers(), corpus_messages()
        _, view = mailbox(*messages.values())
        expected = b"".join(
            b"* %d FETCH (ENVELOPE %b BODY %b BODYSTRUCTURE %b)\r\n"
            % (number, rendered.envelope, rendered.body, rendered.bodystructure)
            for number, rendered in enumerate(map(render, messages.values()), 1)
        )
        self.assertEqual((expected, 0), fetch(view, b"(ENVELOPE BODY BODYSTRUCTURE)"))
        self.assertEqual(len(answers), len(messages))

    def test_headers(self) -> None:
        """
        The header, whole or some fields of it, is sent without opening the message; partial ranges count after subsetting.
        """
        _, inner = mailbox(PLAIN)
        view = bad(inner)
        header = PLAIN[: PLAIN.index(b"\r\n\r\n") + 4]
        subject = b"Subject: afternoon meeting\r\n\r\n"
        for asked, answered in {
            b"RFC822.HEADER": b"RFC822.HEADER " + literal(header),
            b"BODY.PEEK[HEADER]": b"BODY[HEADER] " + literal(header),
            b"BODY.PEEK[HEADER]<5.4>": b"BODY[HEADER]<5> " + literal(header[5:9]),
            b"BODY.PEEK[HEADER.FIELDS (subject)]": b"BODY[HEADER.FIELDS (subject)] " + literal(subject),
            b"BODY.PEEK[HEADER.FIELDS (SUBJECT)]<9.9>": b"BODY[HEADER.FIELDS (SUBJECT)]<9> " + literal(subject[9:18]),
            b'BODY.PEEK[HEADER.FIELDS ("100%d")]': b'BODY[HEADER.FIELDS ("100%d")] ' + literal(b"\r\n"),
            b"BODY.PEEK[HEADER.FIELDS.NOT (From To Date)]": b"BODY[HEADER.FIELDS.NOT (From To Date)] "
            + literal(subject),
            b"BODY.PEEK[HEADER]<9999.1>": b"BODY[HEADER]<9999> " + literal(b""),
        }.items():
            self.assertEqual(b"* 1 FETCH (%b)\r\n" % answered, fetch(view, asked)[0])
        self.assertEqual([], cast(BadView, view).opened)

    def test_gone(self) -> None:
        """
        A message without a row is left out and counted; the others keep their numbers.
        """
        _, inner = mailbox(PLAIN, PLAIN, PLAIN)
        view = bad(inner, rowless=frozenset([2]))
        size = len(PLAIN)
        self.assertEqual(
            (b"* 1 FETCH (UID 1 RFC822.SIZE %d)\r\n* 3 FETCH (UID 3 RFC822.SIZE %d)\r\n" % (size, size), 1),
            fetch(view, b"(UID RFC822.SIZE)"),
        )
        self.assertEqual((b"", 3), fetch(bad(inner, rowless=frozenset([1, 2, 3])), b"RFC822.SIZE"))

    def test_gone_in_between(self) -> None:
        """
        A message of which one thing is gone, and not yet another, is left out.
        """
        _, view = mailbox(PLAIN, PLAIN, PLAIN)
        shown, blocks = view.rendered, view.headers

        async def rendered(_: IMailboxView, uids: Sequence[int]) -> Mapping[int, bytes]:
            return {uid: octets for uid, octets in (await shown(uids)).items() if uid != 1}

        async def headers(_: IMailboxView, uids: Sequence[int]) -> Mapping[int, bytes]:
            return {uid: octets for uid, octets in (await blocks(uids)).items() if uid != 3}

        self.patch(MemoryView, "rendered", rendered)
        self.patch(MemoryView, "headers", headers)
        wire, wanted = Wire(), plan(b"(RFC822.SIZE BODY RFC822.HEADER FLAGS)").with_item(fetching.MODSEQ)
        self.assertEqual(2, now(fetching.run(wanted, view, numbered(view), wire.write)))
        self.assertEqual(1, wire.octets.count(b" FETCH "))
        self.assertTrue(wire.octets.startswith(b"* 2 FETCH (RFC822.SIZE %d BODY (" % len(PLAIN)))
        self.assertTrue(wire.octets.endswith(b" FLAGS () MODSEQ (%d))\r\n" % view.snapshot.modseqs[1]))

    def test_alike(self) -> None:
        """
        The same flags of all messages, whatever is in them, are written as different ones are.
        """
        mail, _ = mailbox()
        append(mail, "INBOX", PLAIN, PLAIN, flags=("100%d", "%", "\\Seen"))
        line = b"FETCH (FLAGS (\\Seen % 100%d))\r\n"
        self.assertEqual(b"* 1 " + line + b"* 2 " + line, fetch(view_of(mail), b"FLAGS")[0])
        append(mail, "INBOX", PLAIN)
        self.assertEqual(
            b"* 1 " + line + b"* 2 " + line + b"* 3 FETCH (FLAGS ())\r\n", fetch(view_of(mail), b"FLAGS")[0]
        )

    def test_batches(self) -> None:
        """
        Many messages are gathered in batches, and each batch is one write.
        """
        count = limits.FETCH_BATCH_ROWS + 1
        _, inner = mailbox(*[PLAIN] * count)
        view = bad(inner)
        wire = Wire()
        now(fetching.run(plan(b"RFC822.SIZE"), view, numbered(view), wire.write))
        self.assertEqual([limits.FETCH_BATCH_ROWS, 1], cast(BadView, view).fetched)
        self.assertEqual(2, len(wire.writes))
        self.assertEqual(b"* %d FETCH (RFC822.SIZE %d)\r\n" % (count, len(PLAIN)), wire.writes[1])

    def test_nothing(self) -> None:
        """
        In an empty mailbox nothing is sent.
        """
        _, view = mailbox()
        self.assertEqual((b"", 0), fetch(view, b"(FLAGS BODY[])"))


class ContentTests(SynchronousTestCase):
    """
    Items that open the message.
    """

    def test_whole(self) -> None:
        """
        The whole message, and its text, small or large, come octet for octet, with exact sizes.
        """
        for message in (PLAIN, LARGE, b"", b"\r\n", b"no header end", b"\r\nbody"):
            _, view = mailbox(message)
            end = (
                message.index(b"\r\n\r\n") + 4 if b"\r\n\r\n" in message else 2 if message.startswith(b"\r\n") else None
            )
            text = b"" if end is None else message[end:]
            self.assertEqual(
                b"* 1 FETCH (BODY[] %b UID 1 RFC822.TEXT %b RFC822 %b)\r\n"
                % (literal(message), literal(text), literal(message)),
                fetch(view, b"(BODY[] UID RFC822.TEXT RFC822)")[0],
            )

    def test_small(self) -> None:
        """
        Many small messages, with larger ones among them, come in their order, and no more of them than is sent at a time is kept.
        """
        messages = [PLAIN + b"%d\0" % number * number * 20 for number in range(60)]
        messages[7] = messages[52] = LARGE
        messages[20] = messages[21] = PLAIN + b"medium\0" * 10_000
        _, view = mailbox(*messages)
        wire = Wire()
        now(fetching.run(plan(b"(UID BODY.PEEK[] BODY.PEEK[TEXT]<0.5>)"), view, numbered(view), wire.write))
        expected = [
            b"* %d FETCH (UID %d BODY[] %b BODY[TEXT]<0> {5}\r\nHello)\r\n"
            % (number, number, literal(message).replace(b"\0", b"\x80"))
            for number, message in enumerate(messages, 1)
        ]
        self.assertEqual(b"".join(expected), wire.octets)
        most = max(map(len, wire.writes))
        self.assertLess(most, limits.CONTENT_PIECE + 64 * limits.KIB)

    def test_partial(self) -> None:
        """
        A range is cut where the text ends, and is empty behind that (RFC 3501 section 6.4.5).
        """
        for message in (PLAIN, LARGE):
            _, view = mailbox(message)
            size = len(message)
            for start, length in ((0, 10), (7, 3), (0, 2048 + size), (size - 1, 5), (size, 5), (size + 5, 5)):
                self.assertEqual(
                    b"* 1 FETCH (BODY[]<%d> %b)\r\n" % (start, literal(message[start : start + length])),
                    fetch(view, b"BODY[]<%d.%d>" % (start, length))[0],
                )
            text = message[message.index(b"\r\n\r\n") + 4 :]
            self.assertEqual(
                b"* 1 FETCH (BODY[TEXT]<6> %b)\r\n" % literal(text[6:9]), fetch(view, b"BODY[TEXT]<6.3>")[0]
            )

    def test_parts(self) -> None:
        """
        Parts are cut out of the structure; one that is not there is NIL (RFC 3501 section 4.5).
        """
        _, view = mailbox(NESTED)
        for section, octets in {
            b"1": b"one",
            b"1.MIME": b"Content-Type: text/plain\r\n\r\n",
            b"2": b"two",
            b"3.1": b"three one",
            b"3.HEADER.FIELDS (X-Inner)": b"X-Inner: yes\r\n\r\n",
            b"3.HEADER.FIELDS.NOT (Content-Type X-Inner)": b"Subject: inner\r\n\r\n",
            b"3.2.MIME": b"Content-Type: application/x\r\nX-Part: 3.2\r\n\r\n",
        }.items():
            self.assertEqual(
                b"* 1 FETCH (BODY[%b] %b)\r\n" % (section, literal(octets)), fetch(view, b"BODY.PEEK[%b]" % section)[0]
            )
        self.assertEqual(b"* 1 FETCH (BODY[2]<1> {2}\r\nwo)\r\n", fetch(view, b"BODY[2]<1.9>")[0])
        for section in (b"4", b"1.1", b"1.HEADER", b"3.9", b"4294967295"):
            self.assertEqual(b"* 1 FETCH (BODY[%b] NIL)\r\n" % section, fetch(view, b"BODY.PEEK[%b]" % section)[0])
            self.assertEqual(b"* 1 FETCH (BODY[%b]<0> NIL)\r\n" % section, fetch(view, b"BODY[%b]<0.5>" % section)[0])

    def test_large_part(self) -> None:
        """
        A part of a large message needs all of it, and two parts of it need it once.
        """
        filler = b"y" * limits.CONTENT_PIECE
        _, inner = mailbox(NESTED.replace(b"two", filler))
        view = bad(inner)
        self.assertEqual(
            b"* 1 FETCH (BODY[1] {3}\r\none BODY[2] %b)\r\n" % literal(filler),
            fetch(view, b"(BODY.PEEK[1] BODY.PEEK[2])")[0],
        )
        self.assertEqual([1], cast(BadView, view).opened)

    def test_nul(self) -> None:
        """
        CHAR8 has no NUL (RFC 3501 section 9): octet 128 stands for it, and the sizes stay true.
        """
        for message in (b"A: b\0\r\n\r\nc\0d", LARGE + b"\0"):
            _, view = mailbox(message)
            clean = message.replace(b"\0", b"\x80")
            head = clean[: clean.index(b"\r\n\r\n") + 4]
            self.assertEqual(
                b"* 1 FETCH (BODY[] %b BODY[HEADER] %b)\r\n" % (literal(clean), literal(head)),
                fetch(view, b"(BODY.PEEK[] BODY.PEEK[HEADER])")[0],
            )

    def test_gone(self) -> None:
        """
        A message whose content is gone is left out whole, and counted (RFC 2180 section 4.1.2).
        """
        _, inner = mailbox(PLAIN, PLAIN)
        view = bad(inner, gone=frozenset([1]))
        self.assertEqual((b"* 2 FETCH (UID 2 BODY[]<0> {5}\r\nFrom:)\r\n", 1), fetch(view, b"(UID BODY.PEEK[]<0.5>)"))

    def test_back_pressure(self) -> None:
        """
        Large content is sent in pieces, each awaited before the next is read; small answers are sent together.
        """
        _, view = mailbox(LARGE)
        wire = Wire()
        now(fetching.run(plan(b"BODY.PEEK[]"), view, [(1, 1)], wire.write))
        self.assertTrue(all(len(piece) <= limits.CONTENT_PIECE + 100 for piece in wire.writes))
        self.assertEqual(4, len(wire.writes))
        _, view = mailbox(*[PLAIN] * 10)
        wire = Wire()
        now(fetching.run(plan(b"BODY.PEEK[]"), view, numbered(view), wire.write))
        self.assertEqual(1, len(wire.writes))

    def test_unreadable(self) -> None:
        """
        If it cannot be read at all, what was finished before is sent, and the failure is the command's.
        """
        for message in (PLAIN, LARGE):
            _, inner = mailbox(PLAIN, message)
            content = BadContent(message, 0, TemporaryFailure("The disk is tired."))
            view = bad(inner, contents={2: content})
            wire = Wire()
            problem = failure_of(
                fetching.run(plan(b"BODY.PEEK[]<0.4>"), view, numbered(view), wire.write), TemporaryFailure
            )
            self.assertNotIsInstance(problem, LiteralBroken)
            self.assertEqual(b"* 1 FETCH (BODY[]<0> {4}\r\nFrom)\r\n", wire.octets)
            self.assertTrue(content.is_closed)

    def test_broken_off(self) -> None:
        """
        Once a literal's size is out, a failure can only end the connection.
        """
        for problem in (TemporaryFailure("The disk is tired."), None):
            _, inner = mailbox(LARGE)
            content = BadContent(LARGE, limits.CONTENT_PIECE, problem)
            wire = Wire()
            failure_of(
                fetching.run(plan(b"BODY.PEEK[]"), bad(inner, contents={1: content}), [(1, 1)], wire.write),
                LiteralBroken,
            )
            self.assertTrue(LARGE.startswith(wire.octets.partition(b"}\r\n")[2]))
            self.assertTrue(content.is_closed)


class SeenTests(SynchronousTestCase):
    """
    C{\\Seen}, set by reading.
    """

    def test_set(self) -> None:
        """
        Reading sets it, and flags that changed are told, once (RFC 3501 section 6.4.5).
        """
        mail, _ = mailbox(PLAIN)
        append(mail, "INBOX", PLAIN, flags=("\\Seen",))
        view = view_of(mail)
        self.assertEqual(
            b"* 1 FETCH (BODY[]<0> {1}\r\nF FLAGS (\\Seen \\Recent))\r\n* 2 FETCH (BODY[]<0> {1}\r\nF)\r\n",
            fetch(view, b"BODY[]<0.1>", set_seen=True, recent=frozenset([1]))[0],
        )
        now(view.advance())
        self.assertEqual([SEEN, SEEN], list(view.snapshot.masks))
        self.assertEqual(
            b"* 1 FETCH (BODY[]<0> {1}\r\nF)\r\n* 2 FETCH (BODY[]<0> {1}\r\nF)\r\n",
            fetch(view, b"BODY[]<0.1>", set_seen=True)[0],
        )

    def test_in_columns(self) -> None:
        """
        It does so where no message is opened, too; and who asks for FLAGS is told the new ones there.
        """
        _, view = mailbox(PLAIN)
        self.assertEqual(
            b"* 1 FETCH (BODY[HEADER]<0> {4}\r\nFrom FLAGS (\\Seen))\r\n",
            fetch(view, b"BODY[HEADER]<0.4>", set_seen=True)[0],
        )
        _, view = mailbox(PLAIN)
        self.assertEqual(
            b"* 1 FETCH (FLAGS (\\Seen) BODY[HEADER]<0> {4}\r\nFrom)\r\n",
            fetch(view, b"(FLAGS BODY[HEADER]<0.4>)", set_seen=True)[0],
        )

    def test_told(self) -> None:
        """
        The session hears which flags its client was told of, and of no others.
        """
        for asked in (b"BODY[]", b"BODY[HEADER]"):
            _, inner = mailbox(PLAIN, PLAIN)
            told: list[Reflagged] = []
            view = bad(inner, gone=frozenset([1]), rowless=frozenset([1]))
            now(fetching.run(plan(asked), view, numbered(view), Wire().write, set_seen=True, told=told.extend))
            self.assertEqual([(2, SEEN)], [(each.uid, each.mask) for each in told])

    def test_not_set(self) -> None:
        """
        A peek does not set it, nor does reading where the mailbox is open read-only.
        """
        _, view = mailbox(PLAIN)
        fetch(view, b"BODY.PEEK[]", set_seen=True)
        fetch(view, b"BODY[]", set_seen=False)
        now(view.advance())
        self.assertEqual([0], list(view.snapshot.masks))

    def test_full_disk(self) -> None:
        """
        If it cannot be kept, the message can be read all the same.
        """
        _, inner = mailbox(PLAIN)
        view = bad(inner, flag_problem=DiskFull("Full."))
        self.assertEqual((b"* 1 FETCH (BODY[]<0> {1}\r\nF)\r\n", 0), fetch(view, b"BODY[]<0.1>", set_seen=True))


class HostileTests(SynchronousTestCase):
    """
    What a client should not send.
    """

    def test_nesting(self) -> None:
        """
        Parentheses do not nest here.
        """
        with self.assertRaises(PeerError):
            plan(b"((((FLAGS))))")
