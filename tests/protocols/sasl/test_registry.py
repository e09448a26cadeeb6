"""
L{twisted_mail_server.protocols.sasl.registry}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.protocols.sasl.registry import BY_NAME, MECHANISMS, known
from twisted_mail_server.protocols.sasl.vocabulary import Challenge


class RegistryTests(SynchronousTestCase):
    """
    What we know.
    """

    def test_known(self) -> None:
        """
        What is offered is what both sides know, strongest first.
        """
        self.assertEqual(("PLAIN", "LOGIN"), known(["SPHINX", "LOGIN", "PLAIN"]))
        self.assertEqual(("LOGIN",), known(["LOGIN"]))
        self.assertEqual((), known([]))

    def test_both_sides(self) -> None:
        """
        Each mechanism's client logs in to its server, with an initial response and without.
        """
        secret = PlainSecret("someone@example.org", "pässword".encode())
        for mechanism in MECHANISMS:
            self.assertIs(mechanism, BY_NAME[mechanism.name])
            for has_initial in (True, False):
                client, server = mechanism.client(secret), mechanism.server()
                initial = client.start() if has_initial else None
                outcome = server.start(initial)
                while isinstance(outcome, Challenge):
                    outcome = server.step(client.step(outcome.data))
                self.assertEqual(secret, outcome)
