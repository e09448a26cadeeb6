"""
L{twisted_mail_server.model.addresses}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.addresses import Address, parse_domain, parse_local_part, quote_local_part
from twisted_mail_server.model.errors import SyntaxProblem

#: What is written, and what is meant by it.
GOOD = (
    ("alice@example.org", Address("alice", "example.org")),
    ("Alice@EXAMPLE.Org", Address("Alice", "example.org")),
    ("a@localhost", Address("a", "localhost")),
    ("a.b.c@x.example", Address("a.b.c", "x.example")),
    ("!#$%&'*+-/=?^_`{|}~@example.org", Address("!#$%&'*+-/=?^_`{|}~", "example.org")),
    ('"a b"@example.org', Address("a b", "example.org")),
    ('"a@b"@example.org', Address("a@b", "example.org")),
    ('"a\\"b\\\\c"@example.org', Address('a"b\\c', "example.org")),
    ('"plain"@example.org', Address("plain", "example.org")),
    ('"a\\b"@example.org', Address("ab", "example.org")),
    ("a@1.2.3.4.example", Address("a", "1.2.3.4.example")),
    ("a@x-y.example", Address("a", "x-y.example")),
    ("a@_host.example", Address("a", "_host.example")),
    ("a@[192.0.2.1]", Address("a", "[192.0.2.1]")),
    ("a@[IPv6:2001:DB8:0::1]", Address("a", "[ipv6:2001:db8::1]")),
    (f"{'x' * 64}@example.org", Address("x" * 64, "example.org")),
    (f'"{"x" * 64}"@example.org', Address("x" * 64, "example.org")),
    (f"a@{'x' * 63}.example", Address("a", f"{'x' * 63}.example")),
)

BAD = (
    "",
    "@",
    "alice",
    "alice@",
    "@example.org",
    "a b@example.org",
    ".a@example.org",
    "a.@example.org",
    "a..b@example.org",
    '""@example.org',
    '"a@example.org',
    'a"b@example.org',
    '"a"b@example.org',
    '"a\\"@example.org',
    '"a\x00b"@example.org',
    '"a\r\nb"@example.org',
    '"ü"@example.org',
    "\ud800@example.org",
    "a@\ud800",
    "ü@example.org",
    "a@exämple.org",
    "a@.example",
    "a@example.",
    "a@example..org",
    "a@-x.example",
    "a@x-.example",
    "a@x y",
    "a@example.org\n",
    "a@example.org ",
    "a\n@example.org",
    "a@[192.0.2.256]",
    "a@[192.0.2]",
    "a@[192.0.2.1",
    "a@[]",
    "a@[IPv6:]",
    "a@[IPv6:::g]",
    "a@[2001:db8::1]",
    "a@[IPv6:fe80::1%eth0]",
    "<a@example.org>",
    "a@b@example.org",
    f"{'x' * 65}@example.org",
    f'"{"x" * 65}"@example.org',
    f"a@{'x' * 64}.example",
    "a@" + ".".join(["x" * 50] * 6),
)


class AddressTests(SynchronousTestCase):
    """
    Reading and writing addresses.
    """

    def test_good(self) -> None:
        """
        Mailboxes of RFC 5321 section 4.1.2 are read: quotes come off, domains are put in lower case.
        """
        for text, address in GOOD:
            self.assertEqual(address, Address.parse(text), text)

    def test_written(self) -> None:
        """
        What is written is read as the same.
        """
        for _, address in GOOD:
            self.assertEqual(address, Address.parse(str(address)))

    def test_bad(self) -> None:
        """
        What is no mailbox is refused.
        """
        for text in BAD:
            self.assertRaises(SyntaxProblem, Address.parse, text)

    def test_quotes_only_where_needed(self) -> None:
        """
        A local part is quoted where it must be, and not elsewhere.
        """
        self.assertEqual("plain@example.org", str(Address.parse('"plain"@example.org')))
        self.assertEqual('"a b"@example.org', str(Address("a b", "example.org")))
        self.assertEqual('"a\\"b\\\\"', quote_local_part('a"b\\'))
        self.assertEqual('".a"', quote_local_part(".a"))
        self.assertEqual("ü", quote_local_part("ü"))
        self.assertEqual('"ü x"', quote_local_part("ü x"))

    def test_key(self) -> None:
        """
        Addresses that differ in case are one account's; those that differ otherwise are not.
        """
        self.assertEqual(Address.parse("ALICE@example.org").key, Address.parse("alice@EXAMPLE.org").key)
        self.assertNotEqual(Address.parse("alice@example.org").key, Address.parse("al.ice@example.org").key)

    def test_ascii(self) -> None:
        """
        It is known which addresses travel without SMTPUTF8.
        """
        self.assertTrue(Address("alice", "example.org").is_ascii)
        self.assertFalse(Address("ålice", "example.org").is_ascii)
        self.assertFalse(Address("alice", "exämple.org").is_ascii)

    def test_parts(self) -> None:
        """
        Local part and domain can be read alone.
        """
        self.assertEqual("a b", parse_local_part('"a b"'))
        self.assertEqual("example.org", parse_domain("EXAMPLE.org"))
        for text in ("", "a b", '"'):
            self.assertRaises(SyntaxProblem, parse_local_part, text)
        for text in ("", "[", "a b"):
            self.assertRaises(SyntaxProblem, parse_domain, text)
