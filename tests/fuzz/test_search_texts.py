"""
SEARCH's quick looks: they never deny what the thorough one finds.
"""

from __future__ import annotations

import base64
import quopri

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import corpus_messages, odd_messages
from twisted_mail_server.message.headers import header_end
from twisted_mail_server.protocols.imap.search_memory import FieldTexts
from twisted_mail_server.protocols.imap.search_texts import Contents, Header, Needle, OpenText

_WORDS = [
    "Gugelhupf",
    "der Berg",
    "q.x",
    "ﬁx",
    "Straße",
    "\u212aelvin",
    "\u017fo",
    "\u0130d",
    "x:y",
    "=?",
    "ÄÖ",
    "日本",
]

_LINES = [
    *(
        b"Subject: gu",
        b"gel\r\n hupf",
        b"subject :b",
        b"erg",
        b"SUBJECT:\tq.x",
        b"Subject: =?utf-8?Q?Gugel?=",
        b"X-Y: subject",
    ),
    *(b"=?iso-8859-1?B?UXVl?=", b"=?utf-7?q?+AGc-?=", b"=?utf-8\r?q?=67?=", b"=?a\r\n ?q?=67?=", b"=?"),
    *(
        b"Content-Type: multipart/mixed; boundary=b",
        b'Content-Type: multipart/mixed; boundary="-"',
        b"--b",
        b"--b--",
        b"---",
    ),
    *(
        b"Content-Type: text/plain; charset=utf-8",
        b'Content-Type: text/html; charset="iso-8859-15"',
        b"Content-type: text/x",
    ),
    *(
        b"Content-Type: text/plain; charset=utf-16",
        b"Content-Type: text/plain; charset*0=utf; charset*1=-7",
        b"charset",
    ),
    *(
        b"Content-Type: text/plain; charset=iso-2022-jp",
        b"Content-Type: text/plain;\r\n charset=cp037",
        b" charset=utf-7",
    ),
    *(
        b"Content-Type: text/plain; charset(x)=cp500",
        b'Content-Type: text/plain; charset="utf-8\r-16"',
        b"; charset=koi8-r",
    ),
    *(
        b"Content-Type: application/pdf",
        b"Content-Type: image/png; name=x",
        b"Content-Type: application/",
        b"image/png",
    ),
    *(b"Content-Type:\r\n application/pdf", b"Content-Type: application/(\r\n)pdf", b"Content-Type: (a) image/png"),
    *(b"Content-Type: message/rfc822", b"Content-Type: message/delivery-status", b"Content-Type :image/gif"),
    *(
        b"Content-Transfer-Encoding: base64",
        b"content-transfer-encoding:BASE64 (x)",
        b"base64",
        b"Content-Transfer-Encoding:",
    ),
    *(b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: (\r\n) Quoted-Printable", b" 8bit"),
]

_pieces = st.one_of(
    st.sampled_from(_LINES),
    st.sampled_from(_LINES),
    st.sampled_from([b"", b"", b" ", b"\t", b"\r", b"\xff", b"\xe4", b"=", b"=67", b"g=\r\nu"]),
    st.sampled_from([word.encode() for word in _WORDS]),
    st.sampled_from([base64.b64encode(word.encode()) for word in _WORDS]),
    st.sampled_from([quopri.encodestring(word.encode()) for word in _WORDS]),
    st.sampled_from(["Gugelhupf".encode(charset) for charset in ("utf-16", "utf-7", "cp037", "iso-2022-jp")]),
    st.sampled_from([b"\x1b(BGu\x1b(Bgel", b"\x1b$B$3\x1b(Bhupf", b"+AGcAdQ-gel"]),
)
_ends = st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r", b"", b"\r\n\r\n", b"\r\n\r\n", b"\r\n\r\n", b"\n\n"])
messages = st.lists(st.tuples(_pieces, _ends), max_size=14).map(
    lambda pieces: b"".join(piece + end for piece, end in pieces)
)

_BOUNDS = settings(derandomize=True, max_examples=600, deadline=None, database=None)


def _texts(message: bytes) -> list[tuple[bool, str]]:
    """
    All text of a message, and of each whether it is its header.
    """
    header = Header(message[: header_end(message)])
    return [(True, header.text), *((False, piece) for _, piece in OpenText(message).pieces())]


class ContentsFuzzTests(SynchronousTestCase):
    """
    L{Contents}
    """

    def test_finds_what_is_there(self) -> None:
        """
        A piece of the text, decoded and case folded, is found, whatever the message looks like.
        """

        @_BOUNDS
        @given(messages, st.data())
        def check(message: bytes, data: st.DataObject) -> None:
            texts = [each for each in _texts(message) if each[1]]
            if texts:
                in_header, text = data.draw(st.sampled_from(texts))
                start = data.draw(st.integers(0, len(text) - 1))
                needle = Needle(text[start : data.draw(st.integers(start + 1, len(text)))])
                self.assertTrue(Contents(message).has(needle, in_header=in_header), (needle.text, message))

        check()

    def test_agrees(self) -> None:
        """
        A word is found if, and only if, the text has it.
        """

        @_BOUNDS
        @given(messages, st.sampled_from([*_WORDS, "gugel", "gu", "erg", "-", "subject: b", "que"]))
        def check(message: bytes, word: str) -> None:
            needle = Needle.of(word)
            contents = Contents(message)
            texts = _texts(message)
            for in_header in (False, True):
                expected = any(needle.text in text for is_header, text in texts if in_header or not is_header)
                self.assertEqual(expected, contents.has(needle, in_header=in_header), (word, message))

        check()

    def test_samples(self) -> None:
        """
        All words of the sample messages are found in them.
        """
        for message in (*corpus_messages().values(), *(message for _, message in odd_messages(60, 7))):
            contents = Contents(message)
            for is_header, text in _texts(message):
                for word in text.split()[:200]:
                    self.assertTrue(contents.has(Needle(word), in_header=is_header), (word, message[:200]))


class FieldFuzzTests(SynchronousTestCase):
    """
    L{FieldTexts}
    """

    def test_agrees(self) -> None:
        """
        A string is found if, and only if, one of the field's values has it; the empty one, if there is such a field.
        """

        @_BOUNDS
        @given(
            st.lists(messages, max_size=4),
            st.sampled_from([b"subject", b"x-y", b"content-type", b"sub", b"", b"a:", b"\xff", b"*"]),
            st.sampled_from([*_WORDS, "", "gugel", "e", ":", "gu gel", "\xff", "\ud800"]),
        )
        def check(blocks: list[bytes], name: bytes, word: str) -> None:
            needle = Needle.of(word)
            texts = FieldTexts(name)
            texts.add([(number * 3, block) for number, block in enumerate(blocks, 1)], 99)
            expected = [
                number * 3
                for number, block in enumerate(blocks, 1)
                if any(needle.text in value for value in Header(block).values(name))
            ]
            self.assertEqual(expected, texts.find(needle, 0, len(texts)), (blocks, name, word))

        check()
