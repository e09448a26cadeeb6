"""
L{twisted_mail_server.model.accounts}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.accounts import AccountId, PlainSecret, ScramKeys, StoredCredentials
from twisted_mail_server.model.errors import SyntaxProblem


class AccountIdTests(SynchronousTestCase):
    """
    Who an account is.
    """

    def test_of_chance(self) -> None:
        """
        Sixteen random octets are an id, and the same text is the same id.
        """
        made = AccountId.of(bytes(range(16)))
        self.assertEqual("000102030405060708090a0b0c0d0e0f", str(made))
        self.assertEqual(made, AccountId.parse(str(made)))

    def test_parse(self) -> None:
        """
        Anything else is none: nothing that could be a path gets through.
        """
        for text in ("", "0" * 31, "0" * 33, "A" * 32, "../" + "0" * 29, "0" * 32 + "\n", "g" * 32):
            self.assertRaises(SyntaxProblem, AccountId.parse, text)


class SecretsTests(SynchronousTestCase):
    """
    Secrets stay secret.
    """

    def test_repr(self) -> None:
        """
        No secret shows in a representation.
        """
        keys = ScramKeys(b"hidden", 4096, b"hidden", b"hidden")
        for value in (keys, StoredCredentials("hidden", keys, keys), PlainSecret("alice", b"hidden")):
            self.assertNotIn("hidden", repr(value))
