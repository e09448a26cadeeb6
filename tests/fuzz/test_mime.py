"""
Whatever bytes a message is, reading it raises nothing, its parts lie in one
another, its sections put together are the message, and what IMAP says of it
is well formed.
"""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.imapvalues import read_value
from tests.support.messages import awkward_messages, corpus_messages, odd_messages
from twisted_mail_server.message.structure import Part, parse
from twisted_mail_server.message.transfer import decode
from twisted_mail_server.message.words import decode_parameter, decode_words
from twisted_mail_server.protocols.imap.rendering import bodies, bodystructures, envelopes, is_current, pack, render
from twisted_mail_server.protocols.imap.sections import Section, extract

MUTATIONS = 10_000

#: What a mutation puts in: what parsers trip over.
PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--", b"\r\n--", b"\n--b", b"--b--", b'"', b"(", b")", b"\\", b"<", b">", b"@",
    b":", b";", b",", b"=", b"*", b"*0*=", b"=?", b"?=", b"?Q?", b"\0", b"\xff", b" ", b"\t", b"/", b"%", b"{1}", b"'",
    b"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
    b"\r\nContent-Type: message/rfc822\r\n\r\n",
    b"\r\nContent-Type: multipart/digest; boundary=\"b\"\r\n",
    b"\r\nTo: a:b@c;,<@x:d@e>",
)  # fmt: skip

_line = st.sampled_from(
    [
        b"", b"--a", b"--a--", b"--b", b"--b--", b"--ab", b"--", b"text", b"From: A <b@c>", b"Subject: =?utf-8?Q?=C3?=",
        b"Content-Type: multipart/mixed; boundary=a", b"Content-Type: multipart/digest; boundary=b",
        b"Content-Type: multipart/x; boundary=ab", b"Content-Type: message/rfc822", b"Content-Type: text", b" folded",
    ]
)  # fmt: skip
_lines = st.lists(st.tuples(_line, st.sampled_from([b"\r\n", b"\r\n", b"\n"])), max_size=30)


def mutated(message: bytes, chance: random.Random) -> bytes:
    """
    A message with a few things put in, taken out, doubled or moved.
    """
    for _ in range(chance.randrange(1, 4)):
        one, two = sorted(chance.randrange(len(message) + 1) for _ in range(2))
        two = min(two, one + 60)
        match chance.randrange(4):
            case 0:
                message = message[:one] + chance.choice(PIECES) + message[one:]
            case 1:
                message = message[:one] + message[two:]
            case 2:
                message = message[:two] + message[one:two] + message[two:]
            case _:
                message = message[:one] + chance.randbytes(2) + message[one + 2 :]
    return message


class MimeTests(SynchronousTestCase):
    def holds(self, data: bytes) -> None:
        """
        What this file's docstring says holds for that message.
        """
        rendered = render(data)
        packed = pack(rendered)
        self.assertTrue(is_current(packed))
        for kept, answer in (
            (envelopes, rendered.envelope),
            (bodies, rendered.body),
            (bodystructures, rendered.bodystructure),
        ):
            read_value(answer)
            self.assertEqual([answer], kept([packed]))
        root = parse(data)
        self.lies_in(root, 0, len(data), data)
        header, text = (extract(data, root, Section((), one)) for one in ("HEADER", "TEXT"))
        self.assertEqual(data, (header or b"") + (text or b""))

    def lies_in(self, part: Part, start: int, end: int, data: bytes) -> None:
        """
        A part lies there, and all in it in its body.
        """
        self.assertTrue(start <= part.start <= part.body <= part.end <= end)
        decode_words(part.description or b"")
        decode_parameter(part.parameters, b"name")
        decode(data[part.body : part.end], part.encoding)
        place = part.body
        for child in part.children if part.message is None else [part.message]:
            self.lies_in(child, place, part.end, data)
            place = child.end

    def test_mutations(self) -> None:
        """
        Messages that were damaged a little raise nothing.
        """
        chance = random.Random(2046)
        seeds = [message for _, message in [*awkward_messages(50, 41), *odd_messages(50, 42)]]
        seeds = [message for message in [*seeds, *corpus_messages().values()] if len(message) < 1500]
        self.assertGreater(len(seeds), 100)
        for number in range(MUTATIONS):
            message = mutated(seeds[number % len(seeds)], chance)
            if number % 10:
                render(message)
            else:
                self.holds(message)

    @settings(derandomize=True, max_examples=300, deadline=None, database=None)
    @given(_lines)
    def test_lines(self, lines: list[tuple[bytes, bytes]]) -> None:
        """
        It holds for lines in any order.
        """
        self.holds(b"".join(line + end for line, end in lines))

    @settings(derandomize=True, max_examples=300, deadline=None, database=None)
    @given(st.binary(max_size=300))
    def test_bytes(self, data: bytes) -> None:
        """
        It holds for any bytes, and behind a field of each kind.
        """
        self.holds(data)
        for name in (b"To", b"Subject", b"Date", b"Content-Type", b"Content-Disposition", b"Content-Language"):
            self.holds(name + b": " + data)
