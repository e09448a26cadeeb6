"""
L{twisted_mail_server.policies.srs}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.addresses import Address
from twisted_mail_server.policies.srs import is_rewritten, recover, rewrite

SECRET = b"shared secret 1"
DAY = 20782
DOMAIN = "forwarder.example"

#: What postsrsd 1.10 (libsrs2) wrote with that secret on that day.
VECTORS = {
    "ann@example.com": "SRS0=+SNk=JO=example.com=ann@forwarder.example",
    "Ann.B+tag@example.com": "SRS0=HCIq=JO=example.com=Ann.B+tag@forwarder.example",
    "a=b@example.com": "SRS0=cFMw=JO=example.com=a=b@forwarder.example",
    "SRS0=abcd=AB=x.example=joe@second.example": "SRS1=lLeU=second.example==abcd=AB=x.example=joe@forwarder.example",
    "SRS0+abcd=AB=x.example=joe@second.example": "SRS1=6RKm=second.example=+abcd=AB=x.example=joe@forwarder.example",
    "SRS0-abcd=AB=x.example=joe@second.example": "SRS1=mmen=second.example=-abcd=AB=x.example=joe@forwarder.example",
    "SRS1=wxyz=second.example==abcd=AB=x.example=joe@third.example": (
        "SRS1=lLeU=second.example==abcd=AB=x.example=joe@forwarder.example"
    ),
    "SRS1+wxyz=second.example=+abcd=AB=x.example=joe@third.example": (
        "SRS1=6RKm=second.example=+abcd=AB=x.example=joe@forwarder.example"
    ),
}


def rewritten(sender: str, day: int = DAY) -> Address:
    """
    That sender, forwarded by us.
    """
    found = rewrite(Address.parse(sender), DOMAIN, SECRET, day)
    assert found is not None
    return found


class RewriteTests(SynchronousTestCase):
    def test_as_others_do(self) -> None:
        """
        The addresses are those that postsrsd makes, so that one may take over from the other.
        """
        self.assertEqual(VECTORS, {sender: str(rewritten(sender)) for sender in VECTORS})

    def test_our_own(self) -> None:
        """
        A sender in our domain may use us already.
        """
        self.assertEqual(Address.parse("ann@forwarder.example"), rewritten("ann@forwarder.example"))

    def test_too_long(self) -> None:
        """
        A local part grows to 64 octets, quotes included, and is not made longer.
        """
        room = 64 - len("SRS0=HHHH=TT=example.com=")
        self.assertEqual(64, len(rewritten("a" * room + "@example.com").local))
        for local in ("a" * (room + 1), '"a ' + "b" * (room - 3) + '"'):
            self.assertIsNone(rewrite(Address.parse(f"{local}@example.com"), DOMAIN, SECRET, DAY))

    def test_path_too_long(self) -> None:
        """
        Nor is the whole path made longer than 256 octets.
        """
        domain = ".".join(["d" * 60] * 4)
        self.assertIsNone(rewrite(Address("ann", "example.com"), domain, SECRET, DAY))

    def test_taken_at_the_door(self) -> None:
        """
        What we write is an address that we would take, even of an odd sender.
        """
        for sender in ('"a b"@example.com', '"a\\"@b"@example.com', "ann@[192.0.2.1]", "ann@[IPv6:2001:db8::1]"):
            address = rewritten(sender)
            self.assertEqual(address, Address.parse(str(address)))
            self.assertEqual(Address.parse(sender), recover(address, SECRET, DAY))


class RecoverTests(SynchronousTestCase):
    def test_way_back(self) -> None:
        """
        A bounce goes to the sender, or to the first forwarder where there were more before us.
        """
        for sender in VECTORS:
            with_first = sender.replace("SRS1=wxyz=second.example=", "SRS0").replace(
                "SRS1+wxyz=second.example=", "SRS0"
            )
            expected = Address.parse(with_first.replace("third", "second"))
            self.assertEqual(expected, recover(rewritten(sender), SECRET, DAY))

    def test_capitals(self) -> None:
        """
        It may have been put in capitals on its way, or in small letters.
        """
        address = rewritten("ann@example.com")
        for local in (address.local.upper(), address.local.lower()):
            found = recover(Address(local, DOMAIN), SECRET, DAY)
            self.assertEqual("ann@example.com", found and found.key)

    def test_separators(self) -> None:
        """
        The separator behind the tag says nothing.
        """
        local = rewritten("ann@example.com").local
        for separator in "+-":
            changed = Address(local.replace("SRS0=", "SRS0" + separator), DOMAIN)
            self.assertEqual(Address.parse("ann@example.com"), recover(changed, SECRET, DAY))

    def test_days(self) -> None:
        """
        An address is good for 21 days, whichever way the count of days wraps, and not before it was written.
        """
        for day in (DAY, 1024 * 20 + 3):
            ages = [recover(rewritten("ann@example.com", day - age), SECRET, day) for age in (0, 20, 21, 22, -1)]
            self.assertEqual([True, True, True, False, False], [found is not None for found in ages])

    def test_forged(self) -> None:
        """
        Nothing can be changed in it, and another secret does not do.
        """
        for sender in ("ann@example.com", "SRS0=abcd=AB=x.example=joe@second.example"):
            address = rewritten(sender)
            self.assertIsNone(recover(address, b"another", DAY))
            for at in range(5, len(address.local)):
                letter = "x" if address.local[at] not in "xX" else "y"
                if address.local[at] != "=":
                    changed = Address(address.local[:at] + letter + address.local[at + 1 :], DOMAIN)
                    self.assertIsNone(recover(changed, SECRET, DAY), changed)

    def test_no_address_inside(self) -> None:
        """
        What is signed but leads to no address leads nowhere.
        """
        odd = rewrite(Address("ann", "-bad-"), DOMAIN, SECRET, DAY)
        assert odd is not None
        self.assertTrue(is_rewritten(odd))
        self.assertIsNone(recover(odd, SECRET, DAY))

    def test_others(self) -> None:
        """
        An ordinary address, or one that only begins like ours, is none of ours.
        """
        for local in ("ann", "srs0", "SRS0=", "SRS0=abcd=AB=x", "SRS0=abc=AB=x=y", "SRS0=abcd=A1=x=y", "SRS1=abcd=x=y"):
            self.assertFalse(is_rewritten(Address(local, DOMAIN)), local)
            self.assertIsNone(recover(Address(local, DOMAIN), SECRET, DAY), local)

    def test_strange_letters(self) -> None:
        """
        Letters that Unicode folds to ASCII are not taken for them.
        """
        local = rewritten("ann@example.com").local
        self.assertFalse(is_rewritten(Address(local.replace("SRS0", "\u017fRS0"), DOMAIN)))
        forged = Address("SRS0=\xe9\xe9\xe9\xe9=" + local[10:], DOMAIN)
        self.assertTrue(is_rewritten(forged))
        self.assertIsNone(recover(forged, SECRET, DAY))

    def test_recognised(self) -> None:
        """
        All that we write is recognised as such.
        """
        self.assertEqual([True] * len(VECTORS), [is_rewritten(rewritten(sender)) for sender in VECTORS])
