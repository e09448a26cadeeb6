"""
L{twisted_mail_server.protocols.sasl.vocabulary}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.protocols.sasl.vocabulary import decode_base64, decode_initial_response, encode_base64


class Base64Tests(SynchronousTestCase):
    """
    Base64 as RFC 4648 has it, and nothing else.
    """

    def test_round_trip(self) -> None:
        """
        What is written is read, on one line however long.
        """
        for data in (b"", b"a", b"ab", b"abc", bytes(range(256)) * 10):
            self.assertNotIn(b"\n", encode_base64(data))
            self.assertEqual(data, decode_base64(encode_base64(data)))

    def test_refused(self) -> None:
        """
        Padding anywhere but at the end, missing, or too much, and any octet outside the alphabet.
        """
        for text in (
            b"=",
            b"=AAA",
            b"AAA=BBB",
            b"AAA",
            b"AA",
            b"AAAA=",
            b"AA==AA==",
            b"AA A",
            b"AA\nAA",
            b"A*AA",
            b"AAA\xe9",
            b"AA=A",
        ):
            with self.assertRaises(SyntaxProblem, msg=repr(text)):
                decode_base64(text)

    def test_initial_response(self) -> None:
        """
        One equals sign stands for an empty initial response.
        """
        self.assertEqual([b"", b"abc"], [decode_initial_response(b"="), decode_initial_response(b"YWJj")])
        self.assertRaises(SyntaxProblem, decode_initial_response, b"==")
