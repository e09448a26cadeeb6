"""
The registry: what is claimed, and what is told of it.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.imap import ImapTestCase
from twisted_mail_server.protocols.imap.extensions import specialuse, unselect
from twisted_mail_server.protocols.imap.registry import IMAP
from twisted_mail_server.protocols.imap.vocabulary import Extension, Registry


class RegistryTests(SynchronousTestCase):
    """
    One page says what we speak.
    """

    def test_claimed_twice(self) -> None:
        """
        No command and no parameter belongs to two.
        """
        command = unselect.EXTENSION.commands[0]
        self.assertRaises(ValueError, Registry, (command,), (unselect.EXTENSION,))
        self.assertRaises(ValueError, Registry, (), (specialuse.EXTENSION, specialuse.EXTENSION))
        again = Extension("RFC 1", (), create_parameters=specialuse.EXTENSION.create_parameters)
        self.assertRaises(ValueError, Registry, (), (specialuse.EXTENSION, again))

    def test_capabilities_once(self) -> None:
        """
        Every capability is told once, and every extension names its RFC.
        """
        words = [word for extension in IMAP.extensions for word in extension.capabilities]
        self.assertEqual(len(words), len(set(words)))
        for extension in IMAP.extensions:
            self.assertRegex(extension.rfc, r"\ARFC [0-9]{4}\Z")


class CapabilityTests(ImapTestCase):
    """
    CAPABILITY in every situation.
    """

    enters = False

    def test_in_the_clear(self) -> None:
        """
        Without TLS there is no way in but STARTTLS.
        """
        line = self.connect(is_private=False, can_start_tls=True)
        self.assertEqual(
            b"CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID LOGINDISABLED STARTTLS",
            IMAP.capabilities(line.conversation.session),
        )

    def test_in_private(self) -> None:
        """
        Under TLS there are mechanisms and LOGIN.
        """
        line = self.connect(is_private=True)
        self.assertEqual(
            b"CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN",
            IMAP.capabilities(line.conversation.session),
        )

    def test_after_login(self) -> None:
        """
        After login the rest is told, and no way in.
        """
        self.plays("""
            C: a LOGIN fred secret
            S: a OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS ...] Logged in.
            C: b CAPABILITY
            S: * CAPABILITY IMAP4rev1 ... SPECIAL-USE CREATE-SPECIAL-USE MOVE ...
            S: b OK ...
        """)
