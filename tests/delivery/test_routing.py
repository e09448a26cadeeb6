"""
L{twisted_mail_server.delivery.routing}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import failure_of, now
from tests.support.mailhouse import MailHouse
from twisted_mail_server.delivery.routing import route
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import NoSuchAccount, RelayDenied


class RoutingTests(SynchronousTestCase):
    """
    Where mail goes.
    """

    def setUp(self) -> None:
        """
        One person lives here.
        """
        self.house = MailHouse()
        self.ann = self.house.add("ann@example.org")

    def test_somebody(self) -> None:
        """
        An address of somebody here leads to their account, in any case of letters.
        """
        for text in ("ann@example.org", "ANN@Example.Org", "postmaster@example.org", "abuse@example.org"):
            self.assertEqual(self.ann, now(route(self.house.directory, Address.parse(text))).account)

    def test_postmaster_alone(self) -> None:
        """
        C{<Postmaster>} without a domain is an address here (RFC 5321 section 4.5.1); no other name is.
        """
        self.assertEqual(self.ann, now(route(self.house.directory, Address("Postmaster", ""))).account)
        failure_of(route(self.house.directory, Address("bob", "")), NoSuchAccount)

    def test_nobody(self) -> None:
        """
        A name that nobody has in a domain of ours is refused.
        """
        problem = failure_of(route(self.house.directory, Address.parse("bob@example.org")), NoSuchAccount)
        assert isinstance(problem, NoSuchAccount)
        self.assertEqual((550, "5.1.1"), (problem.code, problem.enhanced))

    def test_elsewhere(self) -> None:
        """
        Another domain is refused with the reason.
        """
        problem = failure_of(route(self.house.directory, Address.parse("bob@example.net")), RelayDenied)
        assert isinstance(problem, RelayDenied)
        self.assertEqual((550, "5.7.1"), (problem.code, problem.enhanced))
        self.assertIn("example.net", problem.public)
