"""
Our client and our server on real sockets, on loopback.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.support.certificates import pair_for, pems
from tests.support.smtp import ServerCase, collect_events
from tests.support.smtp_peers import outgoing
from twisted_mail_server.model.queue import Outcome
from twisted_mail_server.protocols.smtp.client_events import Cause
from twisted_mail_server.relay.connections import ConnectDeferred, Connector, Target
from twisted_mail_server.tls.contexts import ServerContexts
from twisted_mail_server.tls.outbound import OutboundTls

HOST = "mx.example.net"
reactor: Any = installed


class SocketTests(ServerCase, TestCase):
    """
    L{Connector} on TCP.
    """

    def setUp(self) -> None:
        """
        A server with STARTTLS, and a client that trusts it.
        """
        super().setUp()
        factory = self.make_factory(terms={"tls": ServerContexts([pair_for(HOST)]), "clock": reactor})
        self.port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(pems(pair_for(HOST))[0])
        self.tls = OutboundTls(path)
        self.connector = Connector(
            clock=reactor, connect=reactor, hello_name="client.example.org", random=os.urandom, tls=self.tls
        )

    def target(self, **options: Any) -> Target:
        """
        The server.
        """
        return Target(**{"host": HOST, "address": "127.0.0.1", "port": self.port.getHost().port, **options})

    def runs(self, coroutine: Any) -> Deferred[Any]:
        """
        For trial to wait for.
        """
        return Deferred.fromCoroutine(coroutine)

    def test_messages(self) -> Deferred[Any]:
        """
        Large and small messages under verified TLS; the farewell ends the connection, and keeps its TLS session.
        """
        content = b"." + b"x" * 77 + b"\r\n"
        content *= 25_000

        async def run() -> None:
            for _ in range(2):
                connection = await self.connector.open(self.target(tls="required"))
                for one in (content, b"Subject: small\r\n"):
                    (result,) = await connection.deliver(outgoing(content=one))
                    self.assertEqual(Outcome.RELAYED, result.outcome, result.detail)
                await connection.close()
                self.assertIsNotNone(self.tls.session(HOST, True))
            self.assertEqual([content, b"Subject: small\r\n"] * 2, [one[2] for one in self.intake.taken])

        return self.runs(run())

    def test_wrong_certificate(self) -> Deferred[Any]:
        """
        A certificate for another name ends the session before anything is said under TLS.
        """
        events = collect_events(self)

        async def run() -> None:
            try:
                await self.connector.open(self.target(host="other.example.net", tls="required"))
            except ConnectDeferred as problem:
                self.assertEqual(Cause.TLS, problem.cause)
            else:
                self.fail("It was taken.")
            (event,) = [one for one in events if "relay session" in one.get("log_format", "")]
            self.assertEqual(("", "220 2.0.0 Ready to start TLS."), (event["tls"], event["reply"]))

        return self.runs(run())

    def test_nobody_there(self) -> Deferred[Any]:
        """
        A port that nobody listens on.
        """

        async def run() -> None:
            target = self.target(tls="off")
            await self.port.stopListening()
            try:
                await self.connector.open(target)
            except ConnectDeferred as problem:
                self.assertEqual(Cause.CONNECT, problem.cause)
                self.assertIn("refused", problem.public)
            else:
                self.fail("Somebody is there.")

        return self.runs(run())
