"""
POP3, given what no client should send.
"""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.pop3 import LOGIN, ONE, PRIVATE, PUBLIC, Peer
from twisted_mail_server.protocols.pop3.content import Outgoing
from twisted_mail_server.protocols.pop3.events import LoginAsked, RemovalAsked
from twisted_mail_server.protocols.pop3.registry import REGISTRY

_WORDS = st.sampled_from(
    [
        *REGISTRY.commands,
        b"APOP",
        b"PLAIN",
        b"1",
        b"2",
        b"0",
        b"-1",
        b"*",
        b"=",
        b"AG1yb3NlAHNlY3JldA==",
        b"mrose",
        b"secret",
    ]
)
_LINES = st.lists(st.one_of(_WORDS, st.binary(max_size=6)), max_size=4).map(b" ".join)
_SAID = st.lists(_LINES, max_size=12).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
_RESPONSE = re.compile(rb"\+OK[^\r\n]*\r\n|-ERR[^\r\n]*\r\n|\+ [A-Za-z0-9+/=]*\r\n")


class ConversationTests(SynchronousTestCase):
    """
    L{twisted_mail_server.protocols.pop3.server.ServerSide}
    """

    def test_cuts(self) -> None:
        """
        Whatever comes, and however it is cut, it is answered in the same well-formed lines; nothing is removed without QUIT.
        """

        @settings(derandomize=True, max_examples=500, deadline=None, database=None)
        @given(_SAID, st.integers(0, 200), st.booleans(), st.booleans())
        def check(said: bytes, cut: int, is_private: bool, is_in: bool) -> None:
            prelude = LOGIN if is_in and is_private else b""
            surroundings = PRIVATE if is_private else PUBLIC
            whole = Peer(surroundings)
            heard = whole.talk(prelude + said)
            if b"STLS" not in said.upper():
                parts = Peer(surroundings)
                self.assertEqual(heard, parts.talk(prelude + said[:cut], said[cut:]))
                self.assertEqual(whole.events, parts.events)
            self._is_well_formed(heard)
            if any(isinstance(event, RemovalAsked) for event in whole.events):
                self.assertIn(b"QUIT", said.upper())
            for event in whole.events:
                if isinstance(event, LoginAsked):
                    self.assertTrue(is_private or b"STLS" in said.upper())

        check()

    def _is_well_formed(self, heard: bytes) -> None:
        """
        Responses, and behind some of them lines up to a dot.
        """
        while heard:
            response = _RESPONSE.match(heard)
            assert response, heard[:80]
            heard = heard[response.end() :]
            if heard and not heard.startswith((b"+", b"-")):
                end = 0 if heard.startswith(b".\r\n") else heard.index(b"\r\n.\r\n") + 2
                heard = heard[end + 3 :]


class ContentTests(SynchronousTestCase):
    """
    L{Outgoing}
    """

    def test_round_trip(self) -> None:
        """
        Whatever a message is and however it is cut, a client finds its end, and in front of it the lines of the message.
        """

        @settings(derandomize=True, max_examples=400, deadline=None, database=None)
        @given(st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"a"]), max_size=30), st.integers(1, 8))
        def check(pieces: list[bytes], size: int) -> None:
            message = b"".join(pieces)
            outgoing = Outgoing()
            sent = (
                b"".join(outgoing.add(message[at : at + size]) for at in range(0, len(message), size)) + outgoing.end()
            )
            *lines, dot, nothing = sent.split(b"\r\n")
            self.assertEqual((b".", b""), (dot, nothing))
            self.assertNotIn(b".", lines)
            unstuffed = [line[1:] if line.startswith(b".") else line for line in lines]
            self.assertEqual(
                re.split(rb"\r?\n|\r", message),
                [*unstuffed, b""] if re.search(rb"[\r\n]\Z", message) else unstuffed or [b""],
            )

        check()
        self.assertIn(b"\r\n..dot\r\n", Peer().talk(LOGIN + b"RETR 1\r\n"))
        self.assertIn(b"\r\n.dot\r\n", ONE)
