"""
L{twisted_mail_server.app.outward}
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from twisted_mail_server.app import outward
from twisted_mail_server.app.outward import (
    SRS_SECRET,
    build_relay,
    build_resolver,
    own_addresses,
    relay_terms,
    schedule,
    sender_rewriting,
)
from twisted_mail_server.app.reading import parse_settings
from twisted_mail_server.app.settings import Listener, Settings
from twisted_mail_server.delivery.rewriting import SenderRewriting
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.dns.memory import MemoryResolver
from twisted_mail_server.dns.resolv import NameServer
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.relay.manager import RelayManager
from twisted_mail_server.relay.routing import Smarthost
from twisted_mail_server.spool.memory import MemorySpool

NAMED = 'hostname = "mail.example.org"\n'


class AtOnce(RealDisk):
    """
    A disk whose threads are this one.
    """

    async def run(self, function: Any, *args: Any) -> Any:
        """
        Call it.
        """
        return function(*args)


class OutwardTests(SynchronousTestCase):
    """
    From settings to the way out.
    """

    def setUp(self) -> None:
        """
        A folder, and a clock.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.clock = Clock()
        self.disk = AtOnce(str(self.folder), self.clock, ThreadPool(0, 1), lambda: None, os.urandom)

    def settings(self, text: str = "") -> Settings:
        """
        Settings out of a text.
        """
        return parse_settings(text, base=str(self.folder), machine="host")

    def relay(self, text: str, login: tuple[str, bytes] | None = None) -> RelayManager | None:
        """
        The way out that they describe.
        """
        spool = MemorySpool(os.urandom, self.clock)
        return build_relay(self.settings(text), self.disk, spool, MemoryResolver(), self.clock, os.urandom, login)

    def test_resolvers(self) -> None:
        """
        The settings say whom to ask; else the machine does; else it is the machine itself.
        """
        file = self.folder / "resolv.conf"
        self.patch(outward, "RESOLV_CONF", str(file))
        for text, servers in (
            ('[dns]\nresolvers = ["192.0.2.1:5353"]\ntimeout = 7', (NameServer("192.0.2.1", 5353),)),
            ("", (NameServer("127.0.0.1"),)),
        ):
            resolver = now(build_resolver(self.settings(text), self.disk, self.clock, os.urandom))
            self.assertEqual(servers, resolver.servers)
        file.write_text("nameserver 192.0.2.53\n")
        resolver = now(build_resolver(self.settings(), self.disk, self.clock, os.urandom))
        self.assertEqual((NameServer("192.0.2.53"),), resolver.servers)
        self.assertEqual(5, resolver.timeout)

    def test_no_way_out(self) -> None:
        """
        Until the settings say what the server is called nothing goes out, and who asks is told why.
        """
        self.assertIsNone(self.relay(""))
        rewriting = SenderRewriting(b"secret", self.clock)
        self.assertIn("do not say its hostname", relay_terms(self.settings(), rewriting).refusal)
        self.assertEqual("", relay_terms(self.settings(NAMED), rewriting).refusal)

    def test_by_exchangers(self) -> None:
        """
        Without a smarthost mail goes where DNS says, and never back to us.
        """
        relay = self.relay(NAMED + '[[listener]]\nprotocol = "smtp"\nendpoint = "tcp:25:interface=192.0.2.1"')
        assert relay is not None
        self.assertIsNone(relay.smarthost)
        self.assertEqual(frozenset(("mail.example.org",)), relay.routes.own_names)
        self.assertEqual(frozenset(("192.0.2.1",)), relay.routes.own_addresses)
        self.assertEqual("mail.example.org", relay.connector.hello_name)

    def test_by_smarthost(self) -> None:
        """
        With one it goes there, with a login if there is one.
        """
        relay = self.relay(NAMED + '[relay]\nsmarthost = "a.example:587"\nconnections = 7', ("ann", b"hush"))
        assert relay is not None
        self.assertEqual(Smarthost("a.example", 587, "required", ("ann", b"hush")), relay.smarthost)
        self.assertEqual(7, relay.connections)

    def test_own_addresses(self) -> None:
        """
        Addresses of listeners for everybody's mail; those of other listeners, and other names, are none.
        """
        listeners = [
            Listener("smtp", "tcp:25:interface=192.0.2.1"),
            Listener("smtp", "tcp6:25:interface=2001\\:DB8\\:\\:1"),
            Listener("smtp", "tcp:25"),
            Listener("smtp", "tcp:25:interface=mail.example.org"),
            Listener("submission", "tcp:587:interface=192.0.2.2"),
        ]
        self.assertEqual(["192.0.2.1", "2001:db8::1"], list(own_addresses(listeners)))

    def test_terms(self) -> None:
        """
        How much a user may send, and when mail is tried again, are settings.
        """
        rewriting = SenderRewriting(b"secret", self.clock)
        rate = relay_terms(self.settings("[submission]\nrecipients_per_hour = 7"), rewriting).rate
        self.assertEqual((7, 3600), (rate and rate.limit, rate and rate.period))
        self.assertIsNone(relay_terms(self.settings("[submission]\nrecipients_per_hour = 0"), rewriting).rate)
        found = schedule(self.settings('[relay]\nretry_schedule = [60]\nexpire_after = "1d"\ndelay_warning = "1h"'))
        self.assertEqual(((60,), 86_400, 3600), (found.waits, found.expire_after, found.delay_warning))

    def test_rewriting(self) -> None:
        """
        Reverse-paths that were written before a restart are recognised after it; nobody else may read what shows that.
        """
        sender = Address("bob", "example.net")
        written = cast(Address, now(sender_rewriting(self.disk, self.clock, os.urandom)).forward(sender, "example.org"))
        again = now(sender_rewriting(self.disk, self.clock, os.urandom))
        self.assertEqual(sender, again.recover(written))
        self.assertEqual(0o600, os.stat(self.folder / SRS_SECRET).st_mode & 0o777)
