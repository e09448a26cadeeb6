"""
Pipelining floods: a client that sends thousands of commands while the first of them is still being worked on.

HTTP/2's Rapid Reset (CVE-2023-44487) is the famous one: what is taken in faster than it is done piles up.  Here one command is worked
on at a time, the transport is not read while much waits, and all that waited is forgotten when the client goes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import LOGINS, THERE, AllServers, WatchedTransport, login
from tests.support.disks import HeldPool
from twisted_mail_server.model import limits
from twisted_mail_server.servers.base import Ending
from twisted_mail_server.spool.memory import MemorySpool

READ = 65_536


class FloodTests(SynchronousTestCase):
    """
    Something is slow: the hasher, the disk, a hook.
    """

    def flood(self, transport: WatchedTransport, said: bytes) -> int:
        """
        Send as much as is read, up to megabytes; how much that was.
        """
        sent = 0
        piece = (said * (READ // len(said) + 1))[:READ]
        while transport.producerState != "paused" and sent < 100 * READ:
            transport.deliver(piece)
            sent += len(piece)
        return sent

    def test_while_logging_in(self) -> None:
        """
        While a password is checked little is read, and one check is under way for each session.
        """
        for service in LOGINS:
            servers = AllServers(pool=HeldPool())
            servers.house.add("ana@example.org")
            transport = servers.connect(service)
            transport.deliver(login(service))
            self.assertLessEqual(self.flood(transport, login(service)), limits.PIPELINE + 2 * READ)
            self.assertEqual(1, len(servers.pool.held), service)
            transport.lose()
            servers.pool.run()
            self.assertEqual(set(), servers.factory(service).sessions)

    def test_while_delivering(self) -> None:
        """
        While a message is being kept little is read; then the rest is done, in its order.
        """
        servers = AllServers()
        servers.add("ana@example.org")
        waiting: Deferred[None] = Deferred()
        real: Callable[..., Coroutine[Any, Any, Any]] = MemorySpool.commit

        async def commit(*args: Any) -> Any:
            await waiting
            return await real(*args)

        self.patch(MemorySpool, "commit", commit)
        said = b"MAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\n"
        for service, hello in (("smtp", b"EHLO me\r\n"), ("lmtp", b"LHLO me\r\n")):
            transport = servers.connect(service, THERE)
            transport.deliver(hello + said)
            self.assertLessEqual(self.flood(transport, said), limits.PIPELINE + 2 * READ)
            self.assertLessEqual(transport.protocol.unread(), limits.PIPELINE + 2 * READ)
            self.assertNotIn(b"Queued", transport.take())
            self.assertEqual("paused", transport.producerState)
            self.addCleanup(transport.lose)
        waiting.callback(None)
        self.assertGreaterEqual(transport.take().count(b"Queued"), limits.TRANSACTIONS_PER_SESSION)
        self.assertEqual("producing", transport.producerState)

    def test_lost(self) -> None:
        """
        What a client had sent before it went is not done any more, but for what is being promised already.
        """
        servers = AllServers(pool=HeldPool())
        ana = servers.house.add("ana@example.org")
        for service in LOGINS:
            transport = servers.connect(service)
            transport.deliver(login(service))
            transport.deliver(
                b"b DELETE Sent\r\nc CREATE evil\r\nMAIL FROM:<ana@example.org>\r\nDELE 1\r\nQUIT\r\n" * 20
            )
            transport.lose()
        while servers.pool.run():
            pass
        self.assertEqual([], servers.house.inbox(ana))
        self.assertEqual([], servers.house.relay.sent)

    def test_expelled(self) -> None:
        """
        Once goodbye is said nothing that was sent before it is answered.
        """
        servers = AllServers()
        for service in ("submission", "imap", "pop3"):
            transport = servers.connect(service, THERE)
            transport.take()
            transport.deliver(b"what is this\r\n" * 5000)
            heard = transport.take()
            self.assertLess(heard.count(b"\r\n"), limits.ERRORS_PER_SESSION + 5)
            self.assertEqual(Ending.EXPELLED, transport.protocol.ending) if service != "pop3" else None
            self.assertTrue(transport.is_ended)
            transport.lose()

    def test_capabilities(self) -> None:
        """
        Small commands with large answers, before a login, are bounded by what may be sent without one.
        """
        servers = AllServers()
        for service, said in (("submission", b"EHLO me\r\n"), ("imap", b"a CAPABILITY\r\n"), ("pop3", b"CAPA\r\n")):
            transport = servers.connect(service, THERE)
            heard = 0
            for _ in range(2000):
                if transport.is_ended:
                    break
                transport.deliver(said * 10)
                heard += len(transport.take())
            self.assertTrue(transport.is_ended)
            self.assertLess(heard, 60 * limits.UNAUTHENTICATED_BYTES)
            transport.lose()
