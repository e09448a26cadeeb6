"""
L{twisted_mail_server.delivery.routing}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import failure_of, now
from tests.support.mailhouse import MailHouse
from twisted_mail_server.delivery import routing
from twisted_mail_server.delivery.routing import Local, Remote
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import CannotDo, NoSuchAccount


class RoutingTests(SynchronousTestCase):
    """
    Where mail goes.
    """

    def setUp(self) -> None:
        """
        Two people live here.
        """
        self.house = MailHouse()
        self.ann = self.house.add("ann@example.org")
        self.eve = self.house.add("eve@example.org")

    def destinations(self, text: str) -> list[str]:
        """
        The addresses that mail for C{text} goes to in the end.
        """
        return [str(one.address) for one in now(self.house.router.destinations(Address.parse(text)))]

    def test_somebody(self) -> None:
        """
        An address of somebody here leads to their account, in any case of letters, with a subaddress or without.
        """
        for text in (
            "ann@example.org",
            "ANN@Example.Org",
            "ann+lists@example.org",
            "postmaster@example.org",
            "abuse@example.org",
        ):
            (found,) = now(self.house.router.destinations(Address.parse(text)))
            assert isinstance(found, Local)
            self.assertEqual(self.ann, found.account)

    def test_postmaster_alone(self) -> None:
        """
        C{<Postmaster>} without a domain is an address here (RFC 5321 section 4.5.1), and gets one; no other name is.
        """
        (found,) = now(self.house.router.destinations(Address("Postmaster", "")))
        self.assertEqual("Postmaster@example.org", str(found.address))
        failure_of(self.house.router.destinations(Address("bob", "")), NoSuchAccount)

    def test_nobody(self) -> None:
        """
        A name that nobody has in a domain of ours is refused.
        """
        problem = failure_of(self.house.router.destinations(Address.parse("bob@example.org")), NoSuchAccount)
        assert isinstance(problem, NoSuchAccount)
        self.assertEqual((550, "5.1.1"), (problem.code, problem.enhanced))

    def test_elsewhere(self) -> None:
        """
        Another domain is another server's; it is no forward of ours.
        """
        self.assertEqual(
            [Remote(Address.parse("bob@example.net"))],
            now(self.house.router.destinations(Address.parse("bob@example.net"))),
        )

    def test_group(self) -> None:
        """
        An alias stands for several, here and elsewhere, through other aliases too; each comes once.
        """
        self.house.alias("all@example.org", "ann@example.org", "some@example.org", "bob@example.net")
        self.house.alias("some@example.org", "eve@example.org", "ann@example.org")
        self.assertEqual(
            ["ann@example.org", "eve@example.org", "bob@example.net"],
            sorted(self.destinations("all@example.org"), key=lambda one: ("@example.net" in one, one)),
        )

    def test_catch_all(self) -> None:
        """
        A domain's catch-all gets what nobody else does.
        """
        self.house.alias("@example.org", "eve@example.org")
        self.assertEqual(["eve@example.org"], self.destinations("anybody@example.org"))
        self.assertEqual(["ann@example.org"], self.destinations("ann@example.org"))

    def test_circle(self) -> None:
        """
        Aliases that lead in a circle and nowhere else are refused; where somebody is on the way, they get the message.
        """
        self.house.alias("a@example.org", "b@example.org")
        self.house.alias("b@example.org", "a@example.org")
        failure_of(self.house.router.destinations(Address.parse("a@example.org")), CannotDo)
        self.house.alias("b@example.org", "a@example.org", "ann@example.org")
        self.assertEqual(["ann@example.org"], self.destinations("a@example.org"))

    def test_too_deep(self) -> None:
        """
        A chain of aliases longer than any sensible one is refused.
        """
        for number in range(routing.DEPTH + 2):
            self.house.alias(f"a{number}@example.org", f"a{number + 1}@example.org")
        self.house.alias(f"a{routing.DEPTH + 2}@example.org", "ann@example.org")
        failure_of(self.house.router.destinations(Address.parse("a0@example.org")), CannotDo)
        self.assertEqual(["ann@example.org"], self.destinations(f"a{routing.DEPTH}@example.org"))

    def test_dangling(self) -> None:
        """
        Of an alias whose targets are gone, those that are left get the message; with none, nobody lives there.
        """
        self.house.alias("all@example.org", "gone@example.org", "eve@example.org")
        self.house.alias("none@example.org", "gone@example.org")
        self.assertEqual(["eve@example.org"], self.destinations("all@example.org"))
        failure_of(self.house.router.destinations(Address.parse("none@example.org")), NoSuchAccount)

    def test_bounce_of_a_forward(self) -> None:
        """
        A bounce to an address that we wrote goes to whose mail it was, here or elsewhere, for some weeks; a made-up one goes nowhere.
        """
        rewriting = self.house.rewriting
        for original, is_here in (("bob@example.net", False), ("ann@example.org", True)):
            address = rewriting.forward(Address.parse(original), "sub.example")
            assert address is not None
            (found,) = now(self.house.router.destinations(Address(address.local, "example.org")))
            self.assertEqual((original, is_here), (str(found.address), isinstance(found, Local)))
        self.assertEqual(self.ann.address, rewriting.forward(self.ann.address, "example.org"))
        failure_of(
            self.house.router.destinations(Address.parse("SRS0=AAAA=AA=example.net=bob@example.org")), NoSuchAccount
        )

    def test_final(self) -> None:
        """
        At delivery, aliases are not followed again: what was an account is one, or nobody any more.
        """
        final = self.house.router.final
        self.assertEqual(Remote(Address.parse("b@example.net")), now(final(Address.parse("b@example.net"))))
        self.assertEqual(Local(self.ann.address, self.ann), now(final(self.ann.address)))
        self.house.alias("all@example.org", "eve@example.org")
        failure_of(final(Address.parse("all@example.org")), NoSuchAccount)
