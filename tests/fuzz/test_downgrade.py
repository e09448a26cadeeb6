"""
L{twisted_mail_server.message.downgrade} on whatever arrives.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.message.downgrade import CannotConvert, seven_bit
from twisted_mail_server.message.lines import find_bare
from twisted_mail_server.message.structure import Part, parse
from twisted_mail_server.message.transfer import decode

FAST = settings(derandomize=True, max_examples=400, deadline=None, database=None)

_LINES = st.sampled_from(
    (
        *(b"", b"a", b"\xe4", b"\xc3\xbc" * 60, b".", b"..", b" trailing ", b"= =3D =", b"\0", b"x" * 100),
        *(b"--b", b"--b--", b"--c", b"--c--", b"From here", b"tab\t", b"\xff\xfe"),
        *(b"Subject: a", b" folded", b"MIME-Version: 1.0", b"Subject: \xe4"),
        *(b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: multipart/signed; boundary=c"),
        *(b"Content-Type: multipart/digest; boundary=c", b"Content-Type: message/rfc822"),
        *(b"Content-Type: message/global", b"Content-Type: message/partial", b"Content-Type: image/png"),
        *(b"Content-Transfer-Encoding: 8bit", b"Content-Transfer-Encoding: base64"),
        *(b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: binary"),
    )
)
MESSAGES = st.lists(_LINES, max_size=25).map(b"\r\n".join)


def leaves(message: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """
    Types and decoded bodies of all leaves, in order.
    """
    found = []
    waiting: list[Part] = [parse(message)]
    while waiting:
        part = waiting.pop(0)
        waiting[:0] = part.children or ([part.message] if part.message else [])
        if part.kind == "leaf":
            found.append((part.type, part.subtype, decode(message[part.body : part.end], part.encoding)))
    return found


class DowngradeTests(SynchronousTestCase):
    """
    Converted, or not; never damaged.
    """

    @FAST
    @given(MESSAGES)
    def test_soup_of_lines(self, message: bytes) -> None:
        """
        What is converted is ASCII, breaks no line where no server may be sent one, says the same, and needs it no more.
        """
        try:
            converted = seven_bit(message)
        except CannotConvert:
            self.assertFalse(message.isascii())
            return
        self.assertTrue(converted.isascii())
        self.assertEqual(-1, find_bare(converted))
        self.assertEqual(leaves(message), leaves(converted))
        self.assertIs(converted, seven_bit(converted))

    @FAST
    @given(st.binary(max_size=300), st.sampled_from((b"text/plain", b"image/png")))
    def test_any_body(self, body: bytes, kind: bytes) -> None:
        """
        Any body is the same after it is decoded.
        """
        message = b"Content-Type: " + kind + b"\r\n\r\n" + body
        self.assertEqual(leaves(message), leaves(seven_bit(message)))

    @FAST
    @given(st.binary(max_size=300))
    def test_anything(self, message: bytes) -> None:
        """
        Octets of any kind are converted, or refused.
        """
        try:
            self.assertTrue(seven_bit(message).isascii())
        except CannotConvert:
            self.assertFalse(message.isascii())
