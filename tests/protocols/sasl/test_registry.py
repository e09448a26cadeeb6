"""
L{twisted_mail_server.protocols.sasl.registry}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.accounts import PlainSecret, ScramProof, ScramStart
from twisted_mail_server.protocols.sasl.registry import BY_NAME, MECHANISMS, known
from twisted_mail_server.protocols.sasl.scram import scram_keys
from twisted_mail_server.protocols.sasl.vocabulary import KeysAsked, Means


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

    def test_bound(self) -> None:
        """
        What binds to the connection is offered where that can be done, before all others.
        """
        names = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"]
        self.assertEqual(("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"), known(names))
        self.assertEqual(
            ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"),
            known(names, has_binding=True),
        )

    def test_both_sides(self) -> None:
        """
        Each mechanism's client logs in to its server, with an initial response and without.
        """
        bindings = {"tls-exporter": b"b" * 32}
        for mechanism in MECHANISMS:
            self.assertIs(mechanism, BY_NAME[mechanism.name])
            for has_initial in (True, False):
                secret = PlainSecret("someone@example.org", "pässword".encode())
                client = mechanism.client(secret, Means(bytes, bindings if mechanism.is_bound else {}))
                server = mechanism.server()
                initial = client.start() if has_initial else None
                outcome = server.start(initial)
                while not isinstance(outcome, PlainSecret | ScramProof):
                    if isinstance(outcome, KeysAsked):
                        keys = scram_keys(outcome.hash_name, secret.password, b"salt", 4096)
                        outcome = outcome.answer(ScramStart(keys, b"nonce"), bindings)
                    else:
                        outcome = server.step(client.step(outcome.data))
                self.assertEqual(secret.authcid, outcome.authcid)
                self.assertTrue(outcome == secret if isinstance(outcome, PlainSecret) else outcome.is_right)
                self.assertTrue(client.is_satisfied)
