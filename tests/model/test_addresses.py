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
    ("ü@example.org", Address("ü", "example.org")),
    ("u\u0308.用户@example.org", Address("u\u0308.用户", "example.org")),
    ('"ü x"@example.org', Address("ü x", "example.org")),
    ("a@exämple.org", Address("a", "xn--exmple-cua.org")),
    ("a@EXA\u0308MPLE.Org", Address("a", "xn--exmple-cua.org")),
    ("a@faß.example", Address("a", "xn--fa-hia.example")),
    ("用户@例子。广告", Address("用户", "xn--fsqu00a.xn--4rr70v")),
    ("\u0915\u094d\u200d\u0937@example.org", Address("\u0915\u094d\u200d\u0937", "example.org")),
    (f"{'ü' * 32}@example.org", Address("ü" * 32, "example.org")),
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
    '"\u2028"@example.org',
    "a\xa0b@example.org",
    "a\x85@example.org",
    "a\u202eb@example.org",
    "a\u200b@example.org",
    "a\ufeff@example.org",
    "a\ufffe@example.org",
    "\\ü@example.org",
    "a@ü..example",
    "a@ü.-x",
    "a@ü" + "x" * 63,
    "a@" + "ü." * 60 + "ü",
    "a@" + "ü" * 300,
    "a@\uff20ü",
    "a@[ü]",
    f"{'ü' * 33}@example.org",
    "\ud800@example.org",
    "a@\ud800",
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

    def test_key_in_any_script(self) -> None:
        """
        However a letter is written, and whether a domain comes as U-labels or A-labels, it is the same address.
        """
        for one, other in (
            ("JÜRGEN@example.org", "ju\u0308rgen@example.org"),
            ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
            ("ΣΑΣ@example.org", "σας@example.org"),
        ):
            self.assertEqual(Address.parse(one).key, Address.parse(other).key)
        self.assertNotEqual(Address.parse("jürgen@example.org").key, Address.parse("jurgen@example.org").key)

    def test_ascii(self) -> None:
        """
        It is known which addresses travel without SMTPUTF8: every domain does.
        """
        self.assertTrue(Address("alice", "example.org").is_ascii)
        self.assertFalse(Address("ålice", "example.org").is_ascii)
        self.assertTrue(Address.parse("alice@exämple.org").is_ascii)

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
