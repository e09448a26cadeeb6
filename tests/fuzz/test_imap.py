"""
The IMAP engine, given anything: nothing but answers comes out, memory stays bounded, and it goes on or ends with BYE.
"""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as some

from tests.support.imap import ImapTestCase, Line
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.protocols.imap.cursor import Cursor
from twisted_mail_server.protocols.imap.grammar import read_date_time, read_flag_list, read_pattern, read_reference

#: What a response begins with (RFC 3501 section 9, C{response}); content of literals apart.
_RESPONSE = re.compile(rb"(?:\*|[^\x00-\x20(){%*\"\\\x7f-\xff+]+) (?:OK|NO|BAD|BYE|[0-9]+ [A-Z]+|[A-Z]+)(?: |\Z)|\+ ")

COMMANDS = (
    b'a APPEND INBOX (\\Seen $x) " 1-Jan-2020 00:00:00 +0000" {6+}\r\na: b\r\n\r\n',
    b"b FETCH 1:* (FLAGS UID ENVELOPE BODYSTRUCTURE BODY[HEADER.FIELDS (Subject)] BODY[1]<0.5> RFC822.SIZE)\r\n",
    b"c STORE 1:2,* +FLAGS.SILENT (\\Deleted $y)\r\n",
    b"d UID COPY 1:* Sent\r\n",
    b"e UID MOVE 1 Trash\r\n",
    b"f EXPUNGE\r\n",
    b'g LIST "" "%/*x%"\r\n',
    b'h LSUB "" *\r\n',
    b"i CREATE a/&AOk-/{3+}\r\nxyz (USE (\\Sent))\r\n",
    b"j RENAME Sent a/b\r\n",
    b"k DELETE Trash\r\n",
    b"l STATUS INBOX (MESSAGES UIDNEXT UNSEEN)\r\n",
    b'm SEARCH CHARSET UTF-8 OR (SUBJECT "x" NOT SEEN) SINCE 1-Jan-2020 UID 1:*\r\n',
    b"n SELECT INBOX\r\n",
    b"o EXAMINE Archive\r\n",
    b"p CLOSE\r\n",
    b"q UNSELECT\r\n",
    b"r IDLE\r\nDONE\r\n",
    b'ID ("name" "x" "version" NIL)\r\n',
    b"s SUBSCRIBE {5}\r\nother\r\n",
    b"t NAMESPACE\r\n",
    b"u UID EXPUNGE 1:*\r\n",
    b"v AUTHENTICATE PLAIN AGZyZWQAc2VjcmV0\r\n",
    b"w LOGIN {4+}\r\nfred secret\r\n",
    b"x ENABLE CONDSTORE QRESYNC\r\n",
    b"y ENABLE IMAP4rev2 UTF8=ACCEPT\r\n",
    b"z SELECT INBOX (QRESYNC (1700000000 7 1:5,9 (1:2 1,3)) CONDSTORE)\r\n",
    b"A UID FETCH 1:* (FLAGS MODSEQ) (CHANGEDSINCE 7 VANISHED)\r\n",
    b"B STORE 1:2 (UNCHANGEDSINCE 7) +FLAGS (\\Flagged)\r\n",
    b'C UID SEARCH RETURN (MIN MAX COUNT SAVE) CHARSET UTF-8 MODSEQ "/flags/\\\\seen" all 3 OR $ 1\r\n',
    b"D FETCH $ (UID BINARY.PEEK[1] BINARY.SIZE[1])\r\n",
    b"E SORT (REVERSE DATE SUBJECT) UTF-8 NOT SEEN\r\n",
    b"F UID THREAD REFERENCES UTF-8 ALL\r\n",
    b'G LIST (SUBSCRIBED) "" ("*" "%") RETURN (CHILDREN STATUS (HIGHESTMODSEQ SIZE))\r\n',
    b"H APPEND INBOX UTF8 (~{6+}\r\na: b\r\n) (\\Seen) {6+}\r\na: c\r\n\r\n",
    b"I GETQUOTAROOT INBOX\r\n",
    b'J SELECT "\xc3\xa9" (CONDSTORE)\r\n',
)

PIECES = (
    b"\r\n", b"\n", b"\r", b" ", b"(", b")", b"{1}\r\n", b"{99+}\r\n", b"{0+}\r\n", b'"', b"\\", b"*", b"%", b"NIL", b"\0",
    b"\xff", b"4294967296", b"1:*", b"DONE\r\n", b"UID ", b"&", b"]", b"[", b"<", b"+", b"BODY[", b"NOT ", b"OR ", b"/", b"INBOX",
    b"$", b"~{1+}\r\n", b"9223372036854775808", b"RETURN (", b"(CHANGEDSINCE 1)", b"\xc3\xa9",
)  # fmt: skip

mutations = some.lists(
    some.tuples(some.integers(0, 400), some.integers(0, 6), some.sampled_from(PIECES) | some.binary(max_size=4)),
    max_size=4,
)
streams = some.lists(some.tuples(some.sampled_from(COMMANDS), mutations), min_size=1, max_size=6)


def mutate(command: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """
    A command with pieces cut out and others put in.
    """
    for place, length, piece in changes:
        place %= len(command) + 1
        command = command[:place] + piece + command[place + length :]
    return command


class EngineTests(ImapTestCase):
    """
    Whole sessions.
    """

    def converse(self, data: bytes, sizes: list[int], *, enters: bool = True) -> Line:
        """
        Give a session C{data} in pieces of C{sizes}.
        """
        self.setUp()
        self.add(b"Subject: x\nFrom: a@example.org\n\ny\n", b"Subject: z\n\ny\n")
        line = self.connect()
        if enters:
            line.receive(b"x LOGIN fred secret\r\nx SELECT INBOX\r\n")
            line.take()
        start = 0
        for size in [*sizes, len(data)]:
            line.receive(data[start : start + size])
            start += size
            self.assertTrue(line.conversation.session.incoming.size < limits.IMAP_COMMAND_LINE + len(data))
        self.assertEqual([], line.failures)
        return line

    @settings(derandomize=True, max_examples=150, deadline=None, database=None)
    @given(streams, some.lists(some.integers(1, 30), max_size=10))
    def test_mutated_commands(self, stream: list[tuple[bytes, list[tuple[int, int, bytes]]]], sizes: list[int]) -> None:
        """
        Spoiled commands are answered, and no bug is met; what is said depends on the octets, not on the pieces they come in.
        """
        data = b"".join(mutate(command, changes) for command, changes in stream)
        whole = self.converse(data, [])
        cut = self.converse(data, sizes)
        self.assertEqual(whole.take(), cut.take())
        self.assertEqual(whole.conversation.is_over, cut.conversation.is_over)

    @settings(derandomize=True, max_examples=100, deadline=None, database=None)
    @given(some.binary(max_size=300), some.booleans())
    def test_noise(self, data: bytes, enters: bool) -> None:
        """
        Noise is answered line by line; then a command is.
        """
        line = self.converse(data + b"\r\n", [], enters=enters)
        said = line.take()
        for response in said.split(b"\r\n")[:-1]:
            self.assertTrue(_RESPONSE.match(response), response)

    @settings(derandomize=True, max_examples=80, deadline=None, database=None)
    @given(streams)
    def test_before_login(self, stream: list[tuple[bytes, list[tuple[int, int, bytes]]]]) -> None:
        """
        Nobody gets in without the password.
        """
        data = b"".join(mutate(command, changes) for command, changes in stream)
        line = self.converse(
            data.replace(b"secret", b"guess").replace(b"AGZyZWQAc2VjcmV0", b"AGZyZWQA"), [], enters=False
        )
        self.assertEqual([], line.entered_as)


class ReaderTests(ImapTestCase):
    """
    Readers by themselves.
    """

    @settings(derandomize=True, max_examples=300, deadline=None, database=None)
    @given(some.lists(some.sampled_from(PIECES) | some.binary(max_size=6), min_size=1, max_size=9))
    def test_readers(self, pieces: list[bytes]) -> None:
        """
        Every reader takes something or refuses; nothing else comes out of it.
        """
        octets = b"".join(pieces)
        for given_pieces in (pieces, [octets], [b"", octets, b""]):
            for name in (
                "astring",
                "string",
                "nstring",
                "number",
                "nz_number",
                "number64",
                "sequence_set",
                "mailbox",
                "atom",
            ):
                cursor = Cursor(given_pieces)
                try:
                    getattr(cursor, name)()
                except MailError:
                    continue
            for read in (read_flag_list, read_date_time):
                try:
                    read(Cursor(given_pieces))
                except MailError:
                    continue
            for read_text in (read_pattern, read_reference):
                try:
                    read_text(Cursor(given_pieces, separator="."))
                except MailError:
                    continue
