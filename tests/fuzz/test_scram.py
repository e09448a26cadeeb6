"""
SCRAM's messages: whatever either side is sent, it answers, comes to an outcome, or refuses with a L{PeerError}; no message but the
right one, to the last octet, proves that a password is known; the work a server can ask of a client is bounded.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret, ScramProof, ScramStart
from twisted_mail_server.model.errors import AuthenticationFailed, PeerError
from twisted_mail_server.protocols.sasl import scram
from twisted_mail_server.protocols.sasl.vocabulary import Challenge, KeysAsked, Means, Outcome

CALM = settings(derandomize=True, max_examples=300, deadline=None, database=None)
MECHANISMS = st.sampled_from((scram.SHA_256, scram.SHA_1, scram.SHA_256_PLUS, scram.SHA_1_PLUS))
BINDINGS = {"tls-exporter": b"bound"}
KEYS = {name: scram.scram_keys(name, b"secret", b"salt", 4096) for name in ("sha256", "sha1")}

#: Where, how much is taken out, and what is put in.
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 3),
        st.sampled_from(
            (
                b"",
                b",",
                b"=",
                b"=2C",
                b"=3D",
                b"\0",
                b"a=x",
                b"m=x,",
                b",x=y",
                b"\xff",
                b"A",
                b"p=",
                b"r=",
                b"n,,",
                b"y",
            )
        )
        | st.binary(max_size=3),
    ),
    max_size=3,
)


def mutated(message: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """
    A message with a few things changed.
    """
    for where, length, piece in edits:
        at = int(where * len(message))
        message = message[:at] + piece + message[at + length :]
    return message


class ScramTests(SynchronousTestCase):
    """
    Both sides.
    """

    @CALM
    @given(MECHANISMS, EDITS, EDITS, st.booleans())
    def test_server(self, mechanism, first_edits, final_edits, is_bound) -> None:  # type: ignore[no-untyped-def]
        """
        A server that hears a right exchange with mistakes in it says yes to the right messages only, and then once.
        """
        # Who could bind the channel, and does not, says so, and is right only where the server cannot.
        mine = BINDINGS if mechanism.is_bound else {}
        bindings = BINDINGS if is_bound or mechanism.is_bound else {}
        client = mechanism.client(PlainSecret("user", b"secret"), Means(bytes, mine))
        server = mechanism.server()
        right_first = client.start()
        assert right_first is not None
        first = mutated(right_first, first_edits)
        try:
            outcome: Outcome = server.start(first)
            assert isinstance(outcome, KeysAsked)
            self.assertTrue(outcome.name.isprintable())
            outcome = outcome.answer(ScramStart(KEYS[outcome.hash_name], b"server"), bindings)
            assert isinstance(outcome, Challenge)
            right_final = client.step(outcome.data)
            final = mutated(right_final, final_edits)
            outcome = server.step(final)
            if isinstance(outcome, Challenge):
                self.assertEqual(b"", client.step(outcome.data))
                self.assertTrue(client.is_satisfied)
                outcome = server.step(b"")
        except (PeerError, AuthenticationFailed) as problem:
            self.assertTrue(problem.public)
            self.assertTrue(first != right_first or final_edits)
            return
        assert isinstance(outcome, ScramProof)
        self.assertEqual((first, final) == (right_first, right_final), outcome.is_right)

    @CALM
    @given(
        MECHANISMS,
        st.lists(st.binary(max_size=40) | EDITS.map(lambda edits: mutated(b"n,,n=u,r=abc", edits)), max_size=5),
    )
    def test_server_noise(self, mechanism, said) -> None:  # type: ignore[no-untyped-def]
        """
        Noise proves nothing, and an exchange ends after three messages.
        """
        server = mechanism.server()
        steps = 0
        try:
            outcome: Outcome = server.start(None)
            for message in said:
                if isinstance(outcome, KeysAsked):
                    outcome = outcome.answer(ScramStart(KEYS[outcome.hash_name], b"server"), {})
                if not isinstance(outcome, Challenge):
                    break
                outcome = server.step(message)
                steps += 1
        except (PeerError, AuthenticationFailed):
            return
        self.assertLessEqual(steps, 3)
        if isinstance(outcome, ScramProof):
            self.assertFalse(outcome.is_right)

    @CALM
    @given(MECHANISMS, EDITS, EDITS, st.integers(0, 10**11))
    def test_client(self, mechanism, first_edits, last_edits, count) -> None:  # type: ignore[no-untyped-def]
        """
        A client is not satisfied by a server that does not know the password, and does not compute for ever for one that says so.
        """
        asked: list[int] = []
        real: Any = hashlib.pbkdf2_hmac

        def pbkdf2_hmac(name: str, password: bytes, salt: bytes, iterations: int) -> bytes:
            asked.append(iterations)
            key: bytes = real(name, password, salt, 1)
            return key

        self.patch(hashlib, "pbkdf2_hmac", pbkdf2_hmac)
        client = mechanism.client(PlainSecret("user", b"secret"), Means(bytes, BINDINGS))
        try:
            client.start()
            nonce = re.findall(rb"r=([^,]+)", client._bare)[0]
            final = client.step(mutated(b"r=%bserver,s=c2FsdA==,i=%d" % (nonce, count), first_edits))
            self.assertNotIn(b"secret", final)
            client.step(mutated(b"v=dmVyaWZpZXI=", last_edits))
        except (PeerError, AuthenticationFailed) as problem:
            self.assertTrue(problem.public)
        finally:
            self.patch(hashlib, "pbkdf2_hmac", real)
        self.assertFalse(client.is_satisfied)
        self.assertTrue(all(4096 <= one <= limits.SCRAM_ITERATIONS for one in asked), asked)
