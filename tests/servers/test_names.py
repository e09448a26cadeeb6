"""
L{twisted_mail_server.servers.smtp}: VRFY and EXPN.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import ServerCase
from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model.accounts import Account, AccountId, Alias
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import DatabaseBusy


class SmallDirectory:
    """
    One account, one alias, one address that is not ASCII.
    """

    def __init__(self) -> None:
        ana, jurgen = Address("ana", "example.org"), Address("jürgen", "example.org")
        self.known: dict[str, Account | Alias] = {
            "ana@": Account(AccountId("0" * 32), ana, 0),
            ana.key: Account(AccountId("0" * 32), ana, 0),
            jurgen.key: Account(AccountId("1" * 32), jurgen, 0),
            "team@example.org": Alias(Address("team", "example.org"), (ana, Address("ben", "example.net"))),
            "alle@example.org": Alias(Address("alle", "example.org"), (ana, jurgen)),
        }
        self.problem: Exception | None = None
        self.waiting: Deferred[None] | None = None

    async def is_local(self, domain: str) -> bool:
        """
        One domain is.
        """
        if self.waiting is not None:
            await self.waiting
        return domain in ("", "example.org")

    async def lookup(self, address: Address) -> Account | Alias | None:
        """
        Who is known.
        """
        if self.problem is not None:
            raise self.problem
        return self.known.get(address.key)


class NamesTests(ServerCase, SynchronousTestCase):
    """
    Who lives here (RFC 5321 sections 3.5 and 7.3).
    """

    def setUp(self) -> None:
        """
        A directory.
        """
        super().setUp()
        self.directory = SmallDirectory()

    def asks(self, script: str, peer: str = "192.0.2.1", **options: Any) -> None:
        """
        Play, where C{192.0.2.1} is trusted.
        """
        settled: dict[str, Any] = {
            "directory": cast(IDirectory, self.directory),
            "is_trusted": lambda peer: peer == "192.0.2.1",
        }
        self.plays(script, peer, **{**settled, **options})

    def test_untold(self) -> None:
        """
        Strangers are told nothing: whoever is asked for, the answer is the same.
        """
        script = """
            C: VRFY ana@example.org
            S: 252 2.0.0 Cannot verify, but will take mail for it and try.
            C: VRFY nobody@example.org
            S: 252 2.0.0 Cannot verify, but will take mail for it and try.
            C: VRFY jürgen SMTPUTF8
            S: 252 2.0.0 Cannot verify, but will take mail for it and try.
            C: EXPN team@example.org
            S: 502 5.5.1 No list is expanded here.
            C: EXPN nothing
            S: 502 5.5.1 No list is expanded here.
        """
        self.asks(script, "192.0.2.2")
        self.asks(script, directory=None)

    def test_told(self) -> None:
        """
        Who is trusted is told: mailboxes, and what lists lead to.
        """
        self.asks("""
            C: VRFY ana
            S: 250 2.1.5 <ana@example.org>
            C: VRFY <ANA@example.org>
            S: 250 2.1.5 <ana@example.org>
            C: VRFY nobody@example.org
            S: 550 5.1.1 Nobody of that name lives here.
            C: VRFY ana@example.net
            S: 550 5.1.1 Nobody of that name lives here.
            C: VRFY team@example.org
            S: 250 2.1.5 <team@example.org>
            C: EXPN team@example.org
            S: 250-2.1.5 <ana@example.org>
            S: 250 2.1.5 <ben@example.net>
            C: EXPN ana
            S: 250 2.1.5 <ana@example.org>
            C: VRFY a b
            S: 501 5.5.2 ...
            C: VRFY
            S: 501 5.5.4 ...
        """)

    def test_in_utf8(self) -> None:
        """
        A name that is not ASCII is told only to who can read it (RFC 6531 section 3.7.4.2).
        """
        self.asks("""
            C: VRFY jürgen@example.org
            S: 252 2.6.8 There is such a mailbox, but its name needs SMTPUTF8.
            C: VRFY jürgen@example.org smtputf8
            S: 250 2.1.5 <jürgen@example.org>
            C: EXPN alle@example.org
            S: 252 2.6.8 ...
            C: EXPN alle@example.org SMTPUTF8
            S: 250-2.1.5 <ana@example.org>
            S: 250 2.1.5 <jürgen@example.org>
        """)

    def test_trouble(self) -> None:
        """
        A directory that cannot be asked now is a temporary failure; one that takes its time is waited for.
        """
        self.directory.problem = DatabaseBusy("Please try again.")
        self.asks("""
            C: VRFY ana
            S: 451 4.3.2 Please try again.
            C: EXPN ana
            S: 451 4.3.2 Please try again.
        """)
        self.directory.problem = None
        self.directory.waiting = Deferred()
        _, transport = self.connect()
        transport.take()
        transport.deliver(b"VRFY ana\r\nNOOP\r\n")
        self.assertEqual(b"", transport.take())
        self.directory.waiting.callback(None)
        self.assertEqual(b"250 2.1.5 <ana@example.org>\r\n250 2.0.0 Ok.\r\n", transport.take())
