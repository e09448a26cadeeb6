"""
L{twisted_mail_server.policies.routes}
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import count

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import limits
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, DnsRecord, MxRecord
from twisted_mail_server.model.errors import DnsFailure, MailLoop
from twisted_mail_server.policies.routes import (
    Exchanger,
    NoSuchDomain,
    NoWay,
    Stop,
    TakesNoMail,
    exchangers,
    is_public,
    literal_address,
    stops,
)

HERE = "mail.example.com"


def answer(*records: DnsRecord, outcome: DnsOutcome | None = None, name: str = "example.org") -> DnsAnswer:
    """
    An answer about a name, with records or without.
    """
    known = outcome or (DnsOutcome.FOUND if records else DnsOutcome.NO_DATA)
    return DnsAnswer("example.org", name, records, False, 60, known)


def rising() -> Callable[[int], bytes]:
    """
    Chance that leaves everything in the order in which it lies.
    """
    numbers = count()
    return lambda size: next(numbers).to_bytes(size, "big")


def falling() -> Callable[[int], bytes]:
    """
    Chance that turns every order round.
    """
    numbers = count()
    return lambda size: (2 ** (8 * size) - 1 - next(numbers)).to_bytes(size, "big")


class ExchangersTests(SynchronousTestCase):
    """
    From MX records to hosts.
    """

    def hosts(self, found: DnsAnswer, chance: Callable[[int], bytes] | None = None) -> list[str]:
        """
        The hosts, in order.
        """
        return [
            one.host
            for one in exchangers("example.org", found, own_names=frozenset((HERE,)), chance=chance or rising())
        ]

    def test_order(self) -> None:
        """
        The lowest preference comes first (RFC 5321 section 5.1).
        """
        found = answer(MxRecord(20, "b.example"), MxRecord(10, "a.example"), MxRecord(30, "c.example"))
        self.assertEqual(["a.example", "b.example", "c.example"], self.hosts(found))

    def test_equals_by_lot(self) -> None:
        """
        Chance decides between equals, and between no others.
        """
        found = answer(MxRecord(10, "a.example"), MxRecord(10, "b.example"), MxRecord(5, "first.example"))
        self.assertEqual(["first.example", "a.example", "b.example"], self.hosts(found, rising()))
        self.assertEqual(["first.example", "b.example", "a.example"], self.hosts(found, falling()))

    def test_implicit(self) -> None:
        """
        Without MX records the domain is its own exchanger; an alias stands for its name (RFC 5321 section 5.1).
        """
        found = exchangers("example.org", answer(name="example.net"), own_names=(), chance=rising())
        self.assertEqual((Exchanger("example.net", 0, True),), found)

    def test_null(self) -> None:
        """
        A domain with a null MX takes no mail (RFC 7505).
        """
        with self.assertRaises(TakesNoMail) as caught:
            self.hosts(answer(MxRecord(0, ".")))
        self.assertEqual((556, "5.1.10"), (caught.exception.code, caught.exception.enhanced))

    def test_null_among_others(self) -> None:
        """
        A null MX beside others, which should not be, says nothing.
        """
        self.assertEqual(["a.example"], self.hosts(answer(MxRecord(0, "."), MxRecord(10, "a.example"))))

    def test_no_such_domain(self) -> None:
        """
        A domain that does not exist is told as such.
        """
        with self.assertRaises(NoSuchDomain) as caught:
            self.hosts(answer(outcome=DnsOutcome.NO_SUCH_NAME))
        self.assertEqual((550, "5.1.2"), (caught.exception.code, caught.exception.enhanced))

    def test_better_than_us(self) -> None:
        """
        Where we are one of the hosts, only better ones are left: equals would send it back (RFC 5321 section 5.1).
        """
        found = answer(
            MxRecord(10, "a.example"), MxRecord(20, "b.example"), MxRecord(20, HERE), MxRecord(30, "c.example")
        )
        self.assertEqual(["a.example"], self.hosts(found))

    def test_loop(self) -> None:
        """
        Where we are the best, or the only one, the mail would come back.
        """
        for found in (answer(MxRecord(10, HERE), MxRecord(10, "b.example")), answer(name=HERE)):
            with self.assertRaises(MailLoop) as caught:
                self.hosts(found)
            self.assertEqual("5.4.6", caught.exception.enhanced)

    def test_bound(self) -> None:
        """
        No more hosts than the bound are asked about.
        """
        found = answer(*(MxRecord(number, f"{number}.example") for number in range(100)))
        self.assertEqual([f"{number}.example" for number in range(limits.RELAY_HOSTS)], self.hosts(found))


class StopsTests(SynchronousTestCase):
    """
    From hosts and addresses to places.
    """

    def stops(
        self,
        hosts: Mapping[str, DnsAnswer | DnsFailure],
        *,
        implicit: bool = False,
        prefer_ipv6: bool = True,
        own: Collection[str] = (),
        chance: Callable[[int], bytes] | None = None,
    ) -> list[tuple[str, str]]:
        """
        The places, for hosts of rising preference.
        """
        found = stops(
            "example.org",
            [Exchanger(host, place, implicit) for place, host in enumerate(hosts)],
            hosts,
            own_addresses=own,
            may_connect=is_public,
            prefer_ipv6=prefer_ipv6,
            chance=chance or rising(),
        )
        self.assertTrue(all(isinstance(one, Stop) for one in found))
        return [(one.host, one.address) for one in found]

    def test_order(self) -> None:
        """
        Host after host; of each, IPv6 and IPv4 in turn, the preferred one first.
        """
        hosts = {
            "a.example": answer("192.0.2.1", "192.0.2.2", "2001:db8::1"),
            "b.example": answer("192.0.2.3"),
        }
        six, four, other = "2001:db8::1", "192.0.2.1", "192.0.2.2"
        first = [("a.example", one) for one in (six, four, other)]
        self.assertEqual([*first, ("b.example", "192.0.2.3")], self.stops(hosts))
        first = [("a.example", one) for one in (four, six, other)]
        self.assertEqual([*first, ("b.example", "192.0.2.3")], self.stops(hosts, prefer_ipv6=False))

    def test_equals_by_lot(self) -> None:
        """
        Chance decides between addresses of one kind.
        """
        hosts: dict[str, DnsAnswer | DnsFailure] = {"a.example": answer("192.0.2.1", "192.0.2.2")}
        self.assertEqual(["192.0.2.2", "192.0.2.1"], [one for _, one in self.stops(hosts, chance=falling())])

    def test_host_is_an_address(self) -> None:
        """
        An exchanger that is an address, which it must not be, is taken as what it means.
        """
        self.assertEqual([("192.0.2.7", "192.0.2.7")], self.stops({"192.0.2.7": answer()}))

    def test_unknown_host_among_others(self) -> None:
        """
        A host whose addresses are not known, or that has none, is passed over where there are others.
        """
        hosts: dict[str, DnsAnswer | DnsFailure]
        hosts = {"a.example": DnsFailure("Silence."), "b.example": answer(), "c.example": answer("192.0.2.3")}
        self.assertEqual([("c.example", "192.0.2.3")], self.stops(hosts))

    def test_unknown(self) -> None:
        """
        Where addresses of a host are not known and no other has any, nobody knows for now.
        """
        with self.assertRaises(DnsFailure) as caught:
            self.stops({"a.example": answer(), "b.example": DnsFailure("Silence.")})
        self.assertEqual(("Silence.", "4.4.3"), (caught.exception.public, caught.exception.enhanced))

    def test_no_addresses(self) -> None:
        """
        Exchangers without addresses, and a domain that could only be its own exchanger and has none, get nothing for ever.
        """
        with self.assertRaises(NoWay) as no_way:
            self.stops({"a.example": answer(), "b.example": answer(outcome=DnsOutcome.NO_SUCH_NAME)})
        self.assertEqual("5.4.4", no_way.exception.enhanced)
        with self.assertRaises(NoSuchDomain) as no_domain:
            self.stops({"example.org": answer()}, implicit=True)
        self.assertEqual("No host takes mail for example.org.", no_domain.exception.public)

    def test_refused_addresses(self) -> None:
        """
        Addresses at which no server of somebody else can be are not connected to.
        """
        with self.assertRaises(NoWay) as caught:
            self.stops({"a.example": answer("127.0.0.1", "::1", "0.0.0.0")})
        self.assertIn("no address that mail can be sent to", caught.exception.public)
        hosts = {"a.example": answer("127.0.0.1"), "b.example": answer("192.0.2.1")}
        self.assertEqual([("b.example", "192.0.2.1")], self.stops(hosts))

    def test_our_address(self) -> None:
        """
        A host at one of our addresses is ourselves, whatever it is called.
        """
        hosts = {"a.example": answer("192.0.2.1"), "b.example": answer("192.0.2.2"), "c.example": answer("192.0.2.3")}
        self.assertEqual([("a.example", "192.0.2.1")], self.stops(hosts, own=("192.0.2.2",)))
        with self.assertRaises(MailLoop):
            self.stops(hosts, own=("192.0.2.1",))

    def test_bound(self) -> None:
        """
        However many addresses there are, the tries are bounded, and no host has all of them.
        """
        many = [answer(*(f"192.0.{host}.{number}" for number in range(1, 50))) for host in range(5)]
        found = self.stops({f"{number}.example": one for number, one in enumerate(many)})
        self.assertEqual(limits.RELAY_ADDRESSES, len(found))
        self.assertEqual([f"{number}.example" for number in range(5)], sorted({host for host, _ in found}))
        self.assertEqual(limits.RELAY_ADDRESSES, len(self.stops({"a.example": many[0]})))


class AddressTests(SynchronousTestCase):
    """
    Addresses by themselves.
    """

    def test_literals(self) -> None:
        """
        The address of a literal; a name has none.
        """
        self.assertEqual("192.0.2.1", literal_address("[192.0.2.1]"))
        self.assertEqual("2001:db8::1", literal_address("[ipv6:2001:db8::1]"))
        self.assertIsNone(literal_address("example.org"))

    def test_public(self) -> None:
        """
        This machine, nobody and everybody are no mail servers of somebody else; private networks may hold some.
        """
        for address in ("192.0.2.1", "10.0.0.1", "2001:db8::1", "fd00::1", "::ffff:192.0.2.1"):
            self.assertTrue(is_public(address), address)
        for address in (
            *("127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "169.254.1.1"),
            *("::1", "::", "ff02::1", "fe80::1", "::ffff:127.0.0.1"),
        ):
            self.assertFalse(is_public(address), address)
