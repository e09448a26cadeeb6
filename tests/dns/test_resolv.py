"""
L{twisted_mail_server.dns.resolv}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.dns.resolv import NameServer, parse_resolv_conf, parse_servers
from twisted_mail_server.model.errors import BadSetting


class ResolvConfTests(SynchronousTestCase):
    """
    C{/etc/resolv.conf}.
    """

    def test_servers(self) -> None:
        """
        The servers are those of C{nameserver} lines, in their order, each once; the rest is passed over.
        """
        text = """# comment
        ; comment
        domain example.org
        search example.org example.net
        nameserver 192.0.2.1
        nameserver\t2001:DB8::1   # the second
        nameserver 192.0.2.1
        nameserver fe80::1%eth0
        nameserver
        nameserver ns.example.org
        nameserver 192.0.2.1%eth0
        nameserver fe80::1%
        nameserver fe80::1%a/b
        nameservers 192.0.2.9
        options timeout:1 attempts:5 edns0 trust-ad
        """
        expected = (NameServer("192.0.2.1"), NameServer("2001:db8::1"), NameServer("fe80::1%eth0"))
        self.assertEqual(expected, parse_resolv_conf(text))

    def test_none(self) -> None:
        """
        Without any, it is the machine itself, as resolv.conf(5) says.
        """
        self.assertEqual((NameServer("127.0.0.1", 53),), parse_resolv_conf("options edns0\n"))

    def test_many(self) -> None:
        """
        Those beyond the bound are passed over.
        """
        text = "\n".join(f"nameserver 192.0.2.{number}" for number in range(1, 20))
        self.assertEqual("192.0.2.8", parse_resolv_conf(text)[-1].address)


class SettingTests(SynchronousTestCase):
    """
    The setting C{resolvers}.
    """

    def test_servers(self) -> None:
        """
        An address with or without a port; each once.
        """
        texts = ["127.0.0.1", "127.0.0.1:53", "192.0.2.1:5353", "::1", "[::1]", "[2001:db8::1]:5353", "[fe80::1%lo]:1"]
        expected = [
            NameServer("127.0.0.1"),
            NameServer("192.0.2.1", 5353),
            NameServer("::1"),
            NameServer("2001:db8::1", 5353),
            NameServer("fe80::1%lo", 1),
        ]
        self.assertEqual(expected, list(parse_servers(texts)))
        self.assertEqual((), parse_servers([]))

    def test_wrong(self) -> None:
        """
        What is no address, and too many of them, are refused, and shown.
        """
        for text in (
            "",
            ":53",
            "dns.example.org",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "[::1",
            "[]:53",
            "::1]:53",
            "1.2.3",
        ):
            with self.assertRaises(BadSetting, msg=text) as caught:
                parse_servers([text])
            self.assertIn(repr(text), caught.exception.public)
        with self.assertRaises(BadSetting):
            parse_servers(f"192.0.2.{number}" for number in range(9))

    def test_trusted(self) -> None:
        """
        What is on this machine is trusted, and says where it is.
        """
        for address in ("127.0.0.1", "127.1.2.3", "::1"):
            self.assertTrue(NameServer(address).is_trusted, address)
        for address in ("192.0.2.1", "2001:db8::1", "fe80::1%lo"):
            self.assertFalse(NameServer(address).is_trusted, address)
        self.assertEqual(["1.2.3.4:53", "[::1]:5"], [str(NameServer("1.2.3.4")), str(NameServer("::1", 5))])
