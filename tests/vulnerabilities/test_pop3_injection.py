"""
Commands put in front of TLS, responses forged out of messages and names.
"""

from __future__ import annotations

import poplib
import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.messages import odd_messages
from tests.support.pop3 import LOGIN, ONE, PUBLIC, Peer, Post
from tests.support.transports import TlsClient
from twisted_mail_server.servers.base import TlsUse


class StlsTests(SynchronousTestCase):
    """
    What is sent in the clear together with STLS (RFC 2595 section 4).
    """

    def test_commands(self) -> None:
        """
        It is not obeyed, neither before nor under TLS, wherever it is cut.
        """
        injected = b"STLS\r\nUSER mrose\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n"
        for cut in range(len(b"STLS\r\n"), len(injected)):
            post = Post(TlsUse.STARTTLS)
            post.put(ONE)
            transport = post.connect()
            transport.take()
            transport.deliver(injected[:cut])
            self.assertEqual(b"+OK Begin TLS negotiation now.\r\n", transport.take())
            client = TlsClient(transport)
            self.assertEqual(b"", client.talk())
            self.assertEqual(b"-ERR Not in the AUTHORIZATION state.\r\n", client.talk(b"STAT\r\n"))

    def test_name(self) -> None:
        """
        A name given before the handshake is forgotten.
        """
        peer = Peer(PUBLIC)
        peer.talk(b"USER mrose\r\nSTLS\r\n")
        self.assertEqual(b"-ERR Say USER first.\r\n", peer.talk(b"PASS secret\r\n"))


class ForgeryTests(SynchronousTestCase):
    """
    Octets of others that try to look like ours.
    """

    def test_messages(self) -> None:
        """
        No message can end its own response: Python's client, which takes a bare LF for a line end, stays in step.
        """
        forgeries = [
            b"A: b\r\n\r\n" + end + b"." + end + b"+OK forged" + end
            for end in (b"\n", b"\r", b"\r\n", b"\n\r", b"\r\r\n", b"\r\n\n")
        ]
        messages = [*forgeries, *(message for _, message in odd_messages(60, 8))]
        for wish in (b"UTF8\r\n", b""):
            peer = Peer(messages=messages)
            peer.talk(wish + LOGIN)
            for number, message in enumerate(messages, 1):
                client = _client(peer.talk(b"RETR %d\r\nNOOP\r\n" % number))
                status, lines, _ = client._longcmd("RETR")  # type: ignore[attr-defined]
                self.assertEqual(b"+OK %d octets" % len(message), status)
                self.assertEqual(b"+OK", client._shortcmd("NOOP"))  # type: ignore[attr-defined]
                if wish:
                    # Others get some headers in ASCII (RFC 6856).
                    self.assertEqual(b"".join(message.split()), b"".join(b"".join(lines).split()))

    def test_names(self) -> None:
        """
        Whatever stands in a command, an answer is one line.
        """
        for line in (b"USER \n+OK", b"USER \r+OK", b"\n+OK forged", b"AUTH \n", b"LIST \r1", b"PASS \x00"):
            peer = Peer()
            peer.engine.take_output()
            self.assertEqual(1, peer.talk(line + b"\r\n").count(b"\n"), line)


class _NoSocket:
    """
    Enough of a socket for C{poplib}.
    """

    def sendall(self, data: bytes) -> None:
        """
        Nobody listens.
        """


def _client(heard: bytes) -> poplib.POP3:
    client: Any = poplib.POP3.__new__(poplib.POP3)
    ours, theirs = socket.socketpair()
    theirs.sendall(heard)
    theirs.close()
    client.sock, client.file, client._debugging = _NoSocket(), ours.makefile("rb"), 0
    ours.close()
    return client  # type: ignore[no-any-return]
