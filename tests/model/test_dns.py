"""
L{twisted_mail_server.model.dns}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.dns import DnsAnswer, DnsOutcome, MxRecord, TlsaRecord, reverse_name


class AnswerTests(SynchronousTestCase):
    """
    Answers.
    """

    def test_records(self) -> None:
        """
        Each kind of record is given as what it is.
        """
        exchanger, association = MxRecord(10, "a"), TlsaRecord(3, 1, 1, b"x")
        answer = DnsAnswer("a", "a", ("192.0.2.1", b"text", exchanger, association), True, 1, DnsOutcome.FOUND)
        self.assertTrue(answer.is_found)
        self.assertEqual(("192.0.2.1",), answer.addresses)
        self.assertEqual(("192.0.2.1",), answer.pointers)
        self.assertEqual((b"text",), answer.texts)
        self.assertEqual((exchanger,), answer.exchangers)
        self.assertEqual((association,), answer.associations)

    def test_not_found(self) -> None:
        """
        "No" is not found.
        """
        for outcome in (DnsOutcome.NO_DATA, DnsOutcome.NO_SUCH_NAME):
            self.assertFalse(DnsAnswer("a", "a", (), True, 1, outcome).is_found)


class ReverseNameTests(SynchronousTestCase):
    """
    Names of addresses.
    """

    def test_names(self) -> None:
        """
        Octets, or half octets, backwards; a scope is nobody else's business, and IPv4 is IPv4 in whatever form.
        """
        six = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        self.assertEqual("1.2.0.192.in-addr.arpa", reverse_name("192.0.2.1"))
        self.assertEqual(six, reverse_name("4321:0:1:2:3:4:567:89ab"))
        self.assertEqual(six, reverse_name("4321:0:1:2:3:4:567:89ab%eth0"))
        self.assertEqual("1.2.0.192.in-addr.arpa", reverse_name("::ffff:192.0.2.1"))

    def test_no_address(self) -> None:
        """
        What is no address has no such name.
        """
        with self.assertRaises(ValueError):
            reverse_name("mail.example.org")
