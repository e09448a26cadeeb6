"""
What every resolver does.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_mail_server.interfaces import IResolver
from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, MxRecord, RecordKind, TlsaRecord
from twisted_mail_server.model.errors import DnsFailure

T = TypeVar("T")

# Only those who inherit it are test cases.
if TYPE_CHECKING:
    _Base = SynchronousTestCase
else:
    _Base = object


class ResolverContract(_Base):
    """
    Inherit this, and make the resolver in L{make_resolver}.
    """

    def make_resolver(self) -> IResolver:
        """
        A resolver of L{tests.support.zones.ZONES}, where C{SECURE} is secure.
        """
        raise AssertionError("Inherit me.")

    def fail_name(self, name: str) -> None:
        """
        From now on nothing is to be found out about a name.
        """
        raise AssertionError("Inherit me.")

    def result(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """
        What the coroutine returns.
        """
        raise AssertionError("Inherit me.")

    def setUp(self) -> None:
        """
        A resolver.
        """
        self.resolver = self.make_resolver()

    def ask(self, name: str, kind: RecordKind = RecordKind.A) -> DnsAnswer:
        """
        One answer.
        """
        return self.result(self.resolver.query(name, kind))

    def test_interface(self) -> None:
        """
        It has every method of the interface.
        """
        self.assertTrue(verifyObject(IResolver, self.resolver))

    def test_found(self) -> None:
        """
        Records come with the name that has them, and for how long they may be kept.
        """
        answer = self.ask("mail.example.org")
        self.assertEqual(DnsOutcome.FOUND, answer.outcome)
        self.assertTrue(answer.is_found)
        self.assertEqual(["192.0.2.1", "192.0.2.2"], sorted(answer.addresses))
        self.assertEqual(("mail.example.org", "mail.example.org"), (answer.name, answer.canonical_name))
        self.assertEqual(300, answer.ttl)
        self.assertFalse(answer.is_secure)

    def test_kinds(self) -> None:
        """
        Every kind of record is read as what it is.
        """
        self.assertEqual(("2001:db8::1",), self.ask("mail.example.org", RecordKind.AAAA).addresses)
        exchangers = {MxRecord(10, "mail.example.org"), MxRecord(20, "backup.example.net")}
        self.assertEqual(exchangers, set(self.ask("example.org", RecordKind.MX).exchangers))
        self.assertEqual(
            {b"v=spf1 mx -all", b"two strings"},
            set(self.ask("example.org", RecordKind.TXT).texts),
        )
        self.assertEqual(("mail.example.org",), self.ask("1.2.0.192.in-addr.arpa", RecordKind.PTR).pointers)
        digest = bytes.fromhex("0123456789abcdef" * 4)
        tlsa = self.ask("_25._tcp.mail.secure.example", RecordKind.TLSA)
        self.assertEqual((TlsaRecord(3, 1, 1, digest),), tlsa.associations)

    def test_null_mx(self) -> None:
        """
        The host of a null MX is the root (RFC 7505 section 3).
        """
        self.assertEqual((MxRecord(0, "."),), self.ask("null.example.org", RecordKind.MX).exchangers)

    def test_no_data(self) -> None:
        """
        A name without records of that kind, and one that only has others below it, have no data.
        """
        for name in ("four.example.org", "deep.example.org"):
            answer = self.ask(name, RecordKind.MX)
            self.assertEqual((DnsOutcome.NO_DATA, ()), (answer.outcome, answer.records), name)
            self.assertLessEqual(answer.ttl, 60)

    def test_no_such_name(self) -> None:
        """
        A name that is not there is told apart from one without data.
        """
        answer = self.ask("missing.example.org")
        self.assertEqual((DnsOutcome.NO_SUCH_NAME, ()), (answer.outcome, answer.records))

    def test_aliases(self) -> None:
        """
        Aliases are followed, and the answer tells where they lead.
        """
        answer = self.ask("www.example.org", RecordKind.AAAA)
        self.assertEqual(("2001:db8::1",), answer.addresses)
        self.assertEqual(("www.example.org", "mail.example.org"), (answer.name, answer.canonical_name))

    def test_alias_to_nothing(self) -> None:
        """
        An alias to a name that is not there, or has no data, is told as that name is (RFC 6604).
        """
        answer = self.ask("nowhere.example.org")
        self.assertEqual((DnsOutcome.NO_SUCH_NAME, "missing.example.org"), (answer.outcome, answer.canonical_name))
        answer = self.ask("empty.example.org", RecordKind.MX)
        self.assertEqual((DnsOutcome.NO_DATA, "four.example.org"), (answer.outcome, answer.canonical_name))

    def test_circle(self) -> None:
        """
        Aliases in a circle are no answer.
        """
        with self.assertRaises(DnsFailure):
            self.ask("circle.example.org")

    def test_failure(self) -> None:
        """
        What cannot be found out is neither "no data" nor "no such name", and the text says what was asked.
        """
        self.fail_name("mail.example.org")
        with self.assertRaises(DnsFailure) as caught:
            self.ask("Mail.example.org")
        self.assertIn("mail.example.org", caught.exception.public)
        self.assertEqual((451, "4.4.3"), (caught.exception.code, caught.exception.enhanced))
        self.assertTrue(self.ask("four.example.org").is_found)

    def test_spellings(self) -> None:
        """
        Case, and a dot at the end, make no difference; a name in Unicode is the one in A-labels.
        """
        for name in ("MAIL.Example.ORG", "mail.example.org."):
            self.assertEqual("mail.example.org", self.ask(name).name)
        for name in ("bücher.example", "BÜCHER。example", "xn--bcher-kva.EXAMPLE"):
            answer = self.ask(name, RecordKind.MX)
            self.assertEqual((MxRecord(10, "mail.example.org"),), answer.exchangers, name)
            self.assertEqual("xn--bcher-kva.example", answer.name)

    def test_no_name(self) -> None:
        """
        A text that can be no name is a name that does not exist.
        """
        for name in (
            "",
            "a..org",
            ".org",
            "a b.org",
            "a\\.b.org",
            "x" * 64 + ".org",
            "a." * 127 + "org",
            "\udcff.org",
            "xn\u2028",
        ):
            answer = self.ask(name)
            self.assertEqual((DnsOutcome.NO_SUCH_NAME, ()), (answer.outcome, answer.records), name)
            self.assertFalse(answer.is_secure)

    def test_secure(self) -> None:
        """
        An answer is secure when all of it is: aliases too, and that there is nothing.
        """
        self.assertTrue(self.ask("secure.example", RecordKind.MX).is_secure)
        self.assertTrue(self.ask("secure.example", RecordKind.A).is_secure)
        self.assertTrue(self.ask("missing.secure.example").is_secure)
        self.assertFalse(self.ask("example.org", RecordKind.MX).is_secure)
        self.assertFalse(self.ask("half.secure.example").is_secure)

    def test_addresses(self) -> None:
        """
        The addresses of a host are of both kinds, by way of aliases too.
        """
        answer = self.result(self.resolver.addresses("www.example.org"))
        self.assertEqual({"192.0.2.1", "192.0.2.2", "2001:db8::1"}, set(answer.addresses))
        self.assertEqual("mail.example.org", answer.canonical_name)
        self.assertTrue(answer.is_found)
        self.assertEqual(("192.0.2.4",), self.result(self.resolver.addresses("four.example.org")).addresses)
        self.assertTrue(self.result(self.resolver.addresses("mail.secure.example")).is_secure)

    def test_no_addresses(self) -> None:
        """
        A host without addresses, one that is not there, and one that nothing is known about, differ.
        """
        self.assertEqual(DnsOutcome.NO_DATA, self.result(self.resolver.addresses("example.org")).outcome)
        self.assertEqual(DnsOutcome.NO_SUCH_NAME, self.result(self.resolver.addresses("missing.example.org")).outcome)
        self.fail_name("four.example.org")
        with self.assertRaises(DnsFailure):
            self.result(self.resolver.addresses("four.example.org"))
