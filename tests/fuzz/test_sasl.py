"""
SASL: whatever a client sends, an exchange asks on, comes to a secret, or refuses with a L{PeerError}.
"""

from __future__ import annotations

import contextlib
from base64 import b64decode
from binascii import Error

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.accounts import PlainSecret, ScramKeys, ScramProof, ScramStart
from twisted_mail_server.model.errors import AuthenticationFailed, PeerError
from twisted_mail_server.protocols.sasl.registry import MECHANISMS
from twisted_mail_server.protocols.sasl.vocabulary import Challenge, KeysAsked, decode_base64, encode_base64

START = ScramStart(ScramKeys(b"salt", 4096, b"stored key", b"server key"), b"nonce")
CALM = settings(derandomize=True, max_examples=300, deadline=None, database=None)
RESPONSES = st.one_of(
    st.builds(
        "".join,
        st.tuples(
            st.sampled_from(["n,,", "y,,", "p=tls-exporter,,", "n,a=x,", ""]),
            st.sampled_from(["n=user,r=abc", "c=biws,r=abcnonce,p=", "n==2C,r=!", "n=u"]),
            st.text("AQgw+/=,n", max_size=8),
        ),
    ).map(str.encode),
    st.binary(max_size=40),
    st.lists(st.text(max_size=10), min_size=1, max_size=4)
    .map("\0".join)
    .map(lambda text: text.encode("utf-8", "replace")),
)


class SaslTests(SynchronousTestCase):
    """
    Mechanisms and base64.
    """

    @CALM
    @given(st.sampled_from(MECHANISMS), st.none() | RESPONSES, st.lists(RESPONSES, max_size=4))
    def test_exchanges(self, mechanism, initial, responses):  # type: ignore[no-untyped-def]
        """
        An exchange ends after a few steps; what it comes to is clean.
        """
        server = mechanism.server()
        try:
            outcome = server.start(initial)
            for response in responses:
                if isinstance(outcome, KeysAsked):
                    outcome = outcome.answer(START, {})
                if not isinstance(outcome, Challenge):
                    break
                outcome = server.step(response)
        except (PeerError, AuthenticationFailed) as problem:
            self.assertTrue(problem.public)
            return
        if isinstance(outcome, ScramProof):
            self.assertFalse(outcome.is_right)
        if isinstance(outcome, PlainSecret):
            self.assertTrue(outcome.authcid and outcome.password)
            self.assertNotIn(b"\0", outcome.password)
            self.assertTrue(all(ord(letter) >= 32 for letter in outcome.authcid + outcome.authzid))

    @CALM
    @given(st.binary(max_size=20) | st.text("AQgw+/=", max_size=12).map(str.encode))
    @example(b"AAAA=")
    def test_base64(self, text: bytes) -> None:
        """
        What is taken for base64 is what others take for it, and can be written again; the rest is refused.
        """
        try:
            data = decode_base64(text)
        except PeerError:
            with contextlib.suppress(Error):
                # Python takes padding that follows whole groups; RFC 4954 section 4 does not.
                self.assertNotEqual(len(text), len(encode_base64(b64decode(text, validate=True))))
            return
        self.assertEqual(data, b64decode(text, validate=True))
        self.assertEqual(data, decode_base64(encode_base64(data)))
        self.assertEqual(len(text), len(encode_base64(data)))
