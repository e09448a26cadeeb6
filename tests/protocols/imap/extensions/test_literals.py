"""
LITERAL+ and LITERAL- (RFC 7888); the rules of reading are tested with C{reading}.
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase
from twisted_mail_server.model import limits


class LiteralPlusTests(ImapTestCase):
    """
    Literals that are not asked for.
    """

    enters = False

    def test_login(self) -> None:
        """
        No continuation request is sent for them; they and others may be mixed.
        """
        self.plays("""
            C: a LOGIN {4+}
            C: fred {6}
            S: + Go ahead.
            C: secret
            S: a OK ...
            C: b STATUS {5+}
            C: INBOX (MESSAGES)
            S: * STATUS INBOX (MESSAGES 0)
            S: b OK ...
        """)


class LiteralMinusTests(ImapTestCase):
    """
    The same, with a limit.
    """

    def setUp(self) -> None:
        """
        A listener that offers LITERAL-.
        """
        super().setUp()
        self.settings = self.make_settings(unasked_literal=limits.UNASKED_LITERAL)

    def test_capability(self) -> None:
        """
        One of the two is offered, before login and after (section 5).
        """
        line = self.connect()
        line.receive(b"a CAPABILITY\r\nb LOGIN fred secret\r\nc CAPABILITY\r\n")
        said = line.take()
        self.assertEqual(3, said.count(b" LITERAL- "))
        self.assertNotIn(b"LITERAL+", said)

    def test_small(self) -> None:
        """
        4096 octets may come unasked.
        """
        self.plays(f"""
            C: a APPEND INBOX {{4096+}}
            C: {"x" * 4096}
            S: a OK [APPENDUID ...
        """)

    def test_large(self) -> None:
        """
        A larger one is refused, in any command, and in APPEND with TOOBIG; what was sent is thrown away (section 5).
        """
        self.plays(f"""
            C: a APPEND INBOX {{4097+}}
            C: {"x" * 4097}
            S: a BAD [TOOBIG] A literal that nobody asked for has at most 4096 octets.
            C: b STATUS {{4097+}}
            C: {"x" * 4097}
            S: b BAD ...
            C: c NOOP
            S: c OK ...
        """)

    def test_large_but_asked_for(self) -> None:
        """
        A literal that waits to be asked for may be larger.
        """
        self.plays(f"""
            C: a APPEND INBOX {{4097}}
            S: + Go ahead.
            C: {"x" * 4097}
            S: a OK [APPENDUID ...
        """)


class BinaryLiteralTests(ImapTestCase):
    """
    C{literal8} (RFC 4466 section 3).
    """

    def test_not_as_a_string(self) -> None:
        """
        It is content, never a string.
        """
        self.plays("""
            C: a STATUS ~{5+}
            C: INBOX (MESSAGES)
            S: a BAD A literal8 cannot stand here.
            C: b STATUS ~{5}
            S: b BAD ...
        """)
