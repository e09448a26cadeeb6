"""
L{twisted_mail_server.protocols.sasl.plain}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.errors import SyntaxProblem, TooLong
from twisted_mail_server.protocols.sasl.plain import LoginClient, LoginServer, PlainServer
from twisted_mail_server.protocols.sasl.vocabulary import Challenge


class PlainTests(SynchronousTestCase):
    """
    PLAIN (RFC 4616).
    """

    def test_examples(self) -> None:
        """
        The examples of RFC 4616 section 4 are read as it reads them.
        """
        self.assertEqual(PlainSecret("tim", b"tanstaaftanstaaf"), PlainServer().start(b"\0tim\0tanstaaftanstaaf"))
        expected = PlainSecret("Kurt", b"xipj3plmq", "Ursel")
        server = PlainServer()
        self.assertEqual(Challenge(), server.start(None))
        self.assertEqual(expected, server.step(b"Ursel\0Kurt\0xipj3plmq"))

    def test_refused(self) -> None:
        """
        A part too many or too few, nothing where something must be, control characters, and what is not UTF-8.
        """
        wrong = (
            b"",
            b"a",
            b"a\0b",
            b"a\0b\0c\0d",
            b"\0\0pw",
            b"\0name\0",
            b"\0na\nme\0pw",
            b"\0\xff\0pw",
            b"\0name\0\xff",
            b"\xff\0n\0p",
        )
        for message in (*wrong, b"\0na\xc2\x85me\0pw", b"\x01\0name\0pw"):
            with self.assertRaises(SyntaxProblem):
                PlainServer().start(message)

    def test_too_long(self) -> None:
        """
        Names and passwords have a limit, and may reach it.
        """
        name, password = b"n" * limits.LOGIN_NAME, b"p" * limits.PASSWORD
        self.assertEqual(PlainSecret(name.decode(), password), PlainServer().start(b"\0" + name + b"\0" + password))
        for message in (b"\0n" + name + b"\0p", b"\0n\0p" + password, b"n" + name + b"\0n\0p"):
            with self.assertRaises(TooLong):
                PlainServer().start(message)

    def test_secret_is_not_shown(self) -> None:
        """
        A secret that is printed does not show the password.
        """
        self.assertNotIn("tanstaaf", repr(PlainServer().start(b"\0tim\0tanstaaf")))


class LoginTests(SynchronousTestCase):
    """
    LOGIN (draft-murchison-sasl-login).
    """

    def test_two_questions(self) -> None:
        """
        The name is asked for, then the password; the name may come at once.
        """
        server = LoginServer()
        self.assertEqual(Challenge(b"Username:"), server.start(None))
        self.assertEqual(Challenge(b"Password:"), server.step(b"tim"))
        self.assertEqual(PlainSecret("tim", b"pw"), server.step(b"pw"))
        self.assertEqual(Challenge(b"Password:"), LoginServer().start(b"tim"))

    def test_nul(self) -> None:
        """
        A password has no NUL in it.
        """
        server = LoginServer()
        server.start(b"tim")
        self.assertRaises(SyntaxProblem, server.step, b"p\0w")

    def test_asked_too_often(self) -> None:
        """
        A client does not answer a third question.
        """
        client = LoginClient(PlainSecret("tim", b"pw"))
        self.assertEqual([None, b"tim", b"pw"], [client.start(), client.step(b""), client.step(b"")])
        self.assertRaises(SyntaxProblem, client.step, b"")
