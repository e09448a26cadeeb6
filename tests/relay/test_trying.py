"""
L{twisted_mail_server.relay.trying}: one try, and which way it takes.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.envelopes import MESSAGE
from tests.support.relay import DELAYED, REFUSED, Host, Outside, over, start, wait_idle
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.dns import RecordKind
from twisted_mail_server.model.envelopes import BodyKind, MailOptions, Recipient
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result
from twisted_mail_server.model.replies import Reply
from twisted_mail_server.protocols.smtp.client_events import Cause
from twisted_mail_server.relay.manager import RelayManager
from twisted_mail_server.relay.routing import Smarthost

RELAYED = Outcome.RELAYED
DEAD = over(Cause.CONNECT, "Connection timed out.", "4.4.1")
CLOSED = over(Cause.GREETING, "It said 554 No.", "5.3.2", Reply(554, "No"), REFUSED)
EIGHT_BIT = b"From: ann@example.org\r\nMIME-Version: 1.0\r\n\r\nGr\xc3\xbc\xc3\x9fe an alle, und gute Nacht.\r\n"


class TryTestCase(SynchronousTestCase):
    """
    A relay in a world of its own.
    """

    def setUp(self) -> None:
        """
        The world, and a relay in it.
        """
        self.outside = Outside()
        self.clock = self.outside.clock
        self.connector = self.outside.connector
        self.relay = self.outside.relay()

    def tried(self, message: QueuedMessage, relay: RelayManager | None = None) -> list[Result]:
        """
        What one try comes to.
        """
        return self.successResultOf(start(relay or self.relay, message))

    def send(self, *recipients: str, **kwargs: Any) -> Result:
        """
        What a try to send a message comes to, for its first recipient.
        """
        return self.tried(self.outside.message(*(recipients or ("ann@example.org",)), **kwargs))[0]


class PlacesTests(TryTestCase):
    """
    Which servers are tried.
    """

    def exchangers(self, *hosts: str) -> None:
        """
        The domain's exchangers, from the best on.
        """
        for place, name in enumerate(hosts):
            self.outside.resolver.add(f"example.org. MX {place} {name}.")
            self.outside.resolver.add(f"{name}. A 192.0.2.{place + 1}")

    def test_best_first(self) -> None:
        """
        The best exchanger gets the mail; the others are not bothered.
        """
        self.exchangers("mx1.example", "mx2.example")
        hosts = [self.connector.host(f"192.0.2.{place}") for place in (1, 2)]
        self.assertIs(RELAYED, self.send().outcome)
        self.assertEqual([1, 0], [len(one.targets) for one in hosts])
        self.assertEqual(("mx1.example", "192.0.2.1", 25), self.place(hosts[0]))

    def place(self, host: Host) -> tuple[str, str, int]:
        """
        How a host was asked for.
        """
        return (host.targets[0].host, host.targets[0].address, host.targets[0].port)

    def test_next_best(self) -> None:
        """
        One that is dead, or that wants nothing now, or ever, leads to the next.
        """
        self.exchangers("mx1.example", "mx2.example", "mx3.example", "mx4.example")
        self.connector.host("192.0.2.2", failure=over(Cause.GREETING, "It said 421 No.", "4.3.2", Reply(421, "No")))
        self.connector.host("192.0.2.3", failure=CLOSED)
        last = self.connector.host("192.0.2.4")
        self.assertIs(RELAYED, self.send().outcome)
        self.assertEqual([f"192.0.2.{place}" for place in (1, 2, 3, 4)], self.connector.tried)
        self.assertEqual(1, len(last.messages))

    def test_a_reply_ends_the_try(self) -> None:
        """
        What a server says of a recipient holds: the next exchanger is not asked for another opinion.
        """
        self.exchangers("mx1.example", "mx2.example")
        self.connector.host("192.0.2.1", replies={"ann@example.org": Reply(450, "Greylisted", "4.7.1")})
        second = self.connector.host("192.0.2.2")
        self.assertEqual((DELAYED, "4.7.1"), (self.send().outcome, self.send().status))
        self.assertEqual([], second.targets)

    def test_lost_before_the_content(self) -> None:
        """
        A server that goes away before it can have got the message leads to the next.
        """
        self.exchangers("mx1.example", "mx2.example")
        self.connector.host("192.0.2.1", losses=1)
        second = self.connector.host("192.0.2.2")
        self.assertIs(RELAYED, self.send().outcome)
        self.assertEqual(1, len(second.messages))

    def test_lost_after_the_content(self) -> None:
        """
        One that may have got the message is not followed by another in the same try: it would arrive twice.
        """
        self.exchangers("mx1.example", "mx2.example")
        self.connector.host("192.0.2.1", losses_after_content=1)
        second = self.connector.host("192.0.2.2")
        self.assertEqual((DELAYED, "4.4.2"), (self.send().outcome, "4.4.2"))
        self.assertEqual([], second.targets)

    def test_all_lost(self) -> None:
        """
        Where all go away the message waits.
        """
        self.exchangers("mx1.example")
        self.connector.host("192.0.2.1", losses=1)
        self.assertEqual("The connection was lost.", self.send().detail)

    def test_none_wants_us(self) -> None:
        """
        Where no server ever wants anything of us, the mail comes back; where one may want it another time, it waits.
        """
        self.exchangers("mx1.example", "mx2.example")
        self.connector.host("192.0.2.1", failure=CLOSED)
        second = self.connector.host("192.0.2.2", failure=CLOSED)
        result = self.send()
        self.assertEqual(
            (REFUSED, "5.3.2", "smtp; 554 No", "mx2.example"),
            (result.outcome, result.status, result.diagnostic, result.remote),
        )
        self.clock.advance(limits.RELAY_REST)
        second.failure = DEAD
        self.assertEqual((DELAYED, "4.4.1", ""), (self.send().outcome, self.send().status, self.send().remote))

    def test_without_exchangers(self) -> None:
        """
        A domain without MX records gets its mail at its own addresses, of both kinds (RFC 5321 section 5.1).
        """
        self.outside.resolver.add("example.org. A 192.0.2.1\nexample.org. AAAA 2001:db8::1")
        host = self.connector.host("2001:db8::1")
        self.assertIs(RELAYED, self.send().outcome)
        self.assertEqual(["192.0.2.1", "2001:db8::1"], self.connector.tried)
        self.assertEqual("example.org", host.targets[0].host)

    def test_ipv6_first(self) -> None:
        """
        A setting puts IPv6 first.
        """
        self.outside.resolver.add("example.org. A 192.0.2.1\nexample.org. AAAA 2001:db8::1")
        self.relay.routes = evolve(self.relay.routes, prefer_ipv6=True)
        self.send()
        self.assertEqual(["2001:db8::1", "192.0.2.1"], self.connector.tried)

    def test_address_literal(self) -> None:
        """
        Mail for an address goes there, unless that is ourselves or cannot be a server of somebody else.
        """
        self.connector.host("2001:db8::1")
        self.assertIs(RELAYED, self.send("ann@[IPv6:2001:db8::1]").outcome)
        for domain in ("[127.0.0.1]", "[192.0.2.99]"):
            result = self.send(f"ann@{domain}")
            self.assertEqual((REFUSED, "5.4.4"), (result.outcome, result.status))
        self.assertEqual([], self.outside.resolver.asked)

    def test_dead_ends(self) -> None:
        """
        What the domain name system says for ever makes mail come back; what it cannot say makes it wait.
        """
        self.outside.resolver.add(
            """
            null.example.      MX 0 .
            loop.example.      MX 10 mail.example.com.
            here.example.      A  192.0.2.99
            nothing.example.   MX 10 missing.example.
            silent.example.    MX 10 mx.silent.example.
            """
        )
        self.outside.resolver.fails("mx.silent.example")
        self.outside.resolver.fails("lost.example", RecordKind.MX)
        for domain, outcome, status in (
            ("null.example", REFUSED, "5.1.10"),
            ("missing.example", REFUSED, "5.1.2"),
            ("loop.example", REFUSED, "5.4.6"),
            ("here.example", REFUSED, "5.4.6"),
            ("nothing.example", REFUSED, "5.4.4"),
            ("silent.example", DELAYED, "4.4.3"),
            ("lost.example", DELAYED, "4.4.3"),
        ):
            result = self.send(f"ann@{domain}")
            self.assertEqual((domain, outcome, status), (domain, result.outcome, result.status))
        self.assertEqual([], self.connector.tried)

    def test_unreadable_content(self) -> None:
        """
        A message that the spool does not give waits.
        """
        self.outside.domain("example.org", "192.0.2.1")
        message = evolve(self.outside.message("ann@example.org"), id=self.outside.spool.new_id())
        self.assertEqual([(DELAYED, "4.3.0")], [(one.outcome, one.status) for one in self.tried(message)])


class TlsTests(TryTestCase):
    """
    TLS where it can be had.
    """

    def test_without(self) -> None:
        """
        Where the handshake fails the same server gets the mail in the clear.
        """
        host = self.outside.domain("example.org", "192.0.2.1", is_without_tls=True)
        self.assertIs(RELAYED, self.send().outcome)
        self.assertEqual(["opportunistic", "off"], [one.tls for one in host.targets])

    def test_never_without(self) -> None:
        """
        Where TLS is required, or a password would go with it, there is no other way.
        """
        for tls, login in (("required", None), ("opportunistic", ("ann", b"secret"))):
            host = self.connector.host("192.0.2.7", is_without_tls=True)
            relay = self.outside.relay(Smarthost("192.0.2.7", 587, tls, login))
            result = self.tried(self.outside.message("ann@example.org"), relay)[0]
            self.assertEqual((DELAYED, "4.7.5"), (result.outcome, result.status))
            self.assertEqual([tls], [one.tls for one in host.targets])


class ReuseTests(TryTestCase):
    """
    One connection, several messages.
    """

    def setUp(self) -> None:
        """
        And a server.
        """
        super().setUp()
        self.host = self.outside.domain("example.org", "192.0.2.1")

    def test_reuse(self) -> None:
        """
        The next message for a destination goes over the connection of the one before, without another question to DNS.
        """
        self.send()
        asked = len(self.outside.resolver.asked)
        self.send()
        self.assertEqual((1, 2), (len(self.host.connections), len(self.host.messages)))
        self.assertEqual(asked, len(self.outside.resolver.asked))
        wait_idle(self.clock)
        self.assertEqual(0, self.host.live)
        self.send()
        self.assertEqual(2, len(self.host.connections))

    def test_bound(self) -> None:
        """
        After so many messages a connection is closed.
        """
        for _ in range(limits.RELAY_MESSAGES_PER_CONNECTION + 1):
            self.send()
        self.assertEqual(2, len(self.host.connections))
        self.assertEqual(1, self.host.live)

    def test_gone_meanwhile(self) -> None:
        """
        A connection that turns out to be no more is replaced by a new one, and the message arrives.
        """
        self.host.most_messages = 1
        self.assertEqual([RELAYED] * 3, [self.send().outcome for _ in range(3)])
        self.assertEqual(3, len(self.host.connections))

    def test_lost_while_it_idles(self) -> None:
        """
        One that is gone while it idles is not used.
        """
        self.send()
        self.host.connections[0].is_lost = True
        self.send()
        self.assertEqual([1, 1], [one.carried for one in self.host.connections])

    def test_refused_recipients(self) -> None:
        """
        A connection on which a message was refused is as good as any.
        """
        self.host.replies["eve@example.org"] = Reply(550, "No", "5.1.1")
        self.assertIs(REFUSED, self.send("eve@example.org").outcome)
        self.assertIs(RELAYED, self.send().outcome)
        self.assertEqual(1, len(self.host.connections))


class RestingTests(TryTestCase):
    """
    What was dead a moment ago.
    """

    def test_it_is_left_alone(self) -> None:
        """
        A server that could not be connected to is left alone for a minute, whichever domain it is for; then it is tried again.
        """
        self.outside.domain("example.org", "192.0.2.1", failure=DEAD)
        self.outside.resolver.add("example.net. MX 10 mx.example.org.")
        host = self.connector.hosts["192.0.2.1"]
        for address in ("a@example.org", "b@example.org", "c@example.net"):
            result = self.send(address)
            self.assertEqual(
                (DELAYED, "4.4.1", "Connection timed out."), (result.outcome, result.status, result.detail)
            )
        self.assertEqual(1, len(host.targets))
        host.failure = None
        self.clock.advance(limits.RELAY_REST)
        self.assertIs(RELAYED, self.send().outcome)

    def test_too_many_connections(self) -> None:
        """
        A server that wants fewer connections gets fewer: mail waits for those that there are.
        """
        host = self.outside.domain("example.org", "192.0.2.1", delay=1, most_connections=2)
        done = [start(self.relay, self.outside.message(f"{one}@example.org")) for one in range(20)]
        self.clock.pump([1] * 10)
        self.assertEqual([RELAYED] * 20, [self.successResultOf(one)[0].outcome for one in done])
        self.assertEqual(2, len(host.connections))
        # Two that are there, and one that was refused before that was known.
        self.assertEqual(3, len(host.targets))


class TransactionTests(TryTestCase):
    """
    Who shares a transaction.
    """

    def setUp(self) -> None:
        """
        And a server.
        """
        super().setUp()
        self.host = self.outside.domain("example.org", "192.0.2.1")

    def test_reverse_paths(self) -> None:
        """
        Recipients with a reverse-path of their own get the message in that name, over the same connection.
        """
        forwarded = Address.parse("srs0=x@example.com")
        ours = Recipient(Address.parse("c@example.org"), reverse_path=forwarded)
        self.tried(self.outside.message("a@example.org", ours, "b@example.org"))
        self.assertEqual(
            [("bob@example.com", ["a@example.org", "b@example.org"]), ("srs0=x@example.com", ["c@example.org"])],
            [(sender, names) for sender, names, _ in self.host.messages],
        )
        self.assertEqual(1, len(self.host.connections))

    def test_nobody(self) -> None:
        """
        A report goes out in nobody's name.
        """
        self.send(sender=None)
        self.assertEqual([""], [sender for sender, _, _ in self.host.messages])

    def test_many_recipients(self) -> None:
        """
        No transaction has more recipients than every server takes.
        """
        results = self.tried(self.outside.message(*(f"{one}@example.org" for one in range(250))))
        self.assertEqual([RELAYED] * 250, [one.outcome for one in results])
        self.assertEqual([100, 100, 50], [len(names) for _, names, _ in self.host.messages])

    def test_rest_over_another_connection(self) -> None:
        """
        Recipients that a connection has no transaction left for get another connection at once.
        """
        self.host.most_recipients = 2
        results = self.tried(self.outside.message(*(f"{one}@example.org" for one in range(5))))
        self.assertEqual([RELAYED] * 5, [one.outcome for one in results])
        self.assertEqual([2, 2, 1], [len(names) for _, names, _ in self.host.messages])
        self.assertEqual(3, len(self.host.connections))


class ConversionTests(TryTestCase):
    """
    What the other side lacks.
    """

    def setUp(self) -> None:
        """
        And a server without 8BITMIME.
        """
        super().setUp()
        self.host = self.outside.domain("example.org", "192.0.2.1", is_without_eight_bit=True)

    def test_converted(self) -> None:
        """
        A message with 8-bit bodies is converted, whether its sender told of them or not; in a thread, and once.
        """
        for body in BodyKind:
            self.tried(
                self.outside.message(
                    "ann@example.org",
                    Recipient(Address.parse("b@example.org"), reverse_path=Address.parse("x@example.com")),
                    content=EIGHT_BIT,
                    options=MailOptions(body=body),
                )
            )
        self.assertEqual(4, len(self.host.messages))
        self.assertEqual(2, len(self.outside.threaded))
        for (_, _, content), outgoing in zip(self.host.messages, self.host.outgoing, strict=True):
            self.assertIn(b"\r\n\r\nGr=C3=BC=C3=9Fe an alle", content)
            self.assertEqual((len(content), False), (outgoing.size, outgoing.is_eight_bit))
            self.assertIs(BodyKind.SEVEN_BIT, outgoing.options.body)

    def test_not_converted(self) -> None:
        """
        A server that has it gets the message as it is.
        """
        self.host.is_without_eight_bit = False
        self.send(content=EIGHT_BIT)
        self.assertEqual([EIGHT_BIT], [content for _, _, content in self.host.messages])
        self.assertTrue(self.host.outgoing[0].is_eight_bit)

    def test_seven_bit(self) -> None:
        """
        One that is ASCII needs nothing.
        """
        self.send()
        self.assertEqual([(MESSAGE, False)], [(self.host.messages[0][2], self.host.outgoing[0].is_eight_bit)])

    def test_impossible(self) -> None:
        """
        One that cannot be converted comes back, with the reason.
        """
        result = self.send(content=b"Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nHello\r\n")
        self.assertEqual((REFUSED, "5.6.3"), (result.outcome, result.status))
        self.assertEqual(
            "It takes no 8 bits. It cannot be converted: A header field holds 8-bit characters.", result.detail
        )
        self.assertIs(RELAYED, self.send().outcome)
        self.assertEqual(1, len(self.host.connections))


class SmarthostTests(TryTestCase):
    """
    One server for everything.
    """

    HOST = Smarthost("smart.example", 587, "required", ("ann", b"secret"))

    def test_all_mail(self) -> None:
        """
        Mail for every domain goes there over one connection, and no domain is asked about.
        """
        self.outside.resolver.add("smart.example. A 127.0.0.1\nsmart.example. MX 1 other.example.")
        host = self.connector.host("127.0.0.1")
        relay = self.outside.relay(self.HOST)
        for address in ("a@example.org", "b@example.net"):
            self.assertIs(RELAYED, self.tried(self.outside.message(address), relay)[0].outcome)
        (target,) = host.targets
        self.assertEqual(("smart.example", 587, "required"), (target.host, target.port, target.tls))
        self.assertEqual(("ann", b"secret"), target.login)
        self.assertEqual({"smart.example"}, {name for name, _ in self.outside.resolver.asked})

    def test_our_own_mistakes(self) -> None:
        """
        A smarthost that does not exist, or does not want us, makes no mail come back: somebody will set it right.
        """
        relay = self.outside.relay(self.HOST)
        result = self.tried(self.outside.message("a@example.org"), relay)[0]
        self.assertEqual((DELAYED, "4.1.2"), (result.outcome, result.status))
        self.outside.resolver.add("smart.example. A 192.0.2.1")
        self.connector.host("192.0.2.1", failure=CLOSED)
        result = self.tried(self.outside.message("a@example.org"), relay)[0]
        self.assertEqual((DELAYED, "4.3.2"), (result.outcome, result.status))

    def test_it_speaks_of_recipients(self) -> None:
        """
        What it says of a recipient counts.
        """
        self.outside.resolver.add("smart.example. A 192.0.2.1")
        self.connector.host("192.0.2.1", replies={"a@example.org": Reply(550, "No", "5.1.1")})
        self.assertIs(
            REFUSED, self.tried(self.outside.message("a@example.org"), self.outside.relay(self.HOST))[0].outcome
        )

    def test_secret(self) -> None:
        """
        Its password is shown nowhere.
        """
        self.assertNotIn("secret", repr(self.HOST))


class CancelledRoutesTests(TryTestCase):
    """
    Cancelled in the middle of questions.
    """

    def test_hosts(self) -> None:
        """
        A delivery cancelled while the addresses of hosts are asked for ends at once.
        """
        self.outside.domain("example.org", "192.0.2.1")
        self.outside.resolver.delays("mx.example.org", 10)
        done: Deferred[list[Result]] = start(self.relay, self.outside.message("ann@example.org"))
        self.assertNoResult(done)
        done.cancel()
        self.failureResultOf(done)
        now(self.relay.stop())
        self.assertEqual([], self.clock.getDelayedCalls())
