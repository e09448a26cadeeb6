"""
L{twisted_mail_server.protocols.pop3.maildrop}
"""

from __future__ import annotations

from array import array

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model.errors import Refused
from twisted_mail_server.protocols.pop3.maildrop import Maildrop


class MaildropTests(SynchronousTestCase):
    """
    L{Maildrop}
    """

    def setUp(self) -> None:
        """
        Three messages.
        """
        self.maildrop = Maildrop(0x65C3A1B0, array("Q", [3, 7, 0xFFFFFFFF]), [100, 20, 3])

    def test_listings(self) -> None:
        """
        Numbers count from 1, whatever the UIDs are.
        """
        self.assertEqual("3 123", self.maildrop.drop_listing)
        self.assertEqual("3 messages (123 octets)", self.maildrop.summary)
        self.assertEqual([b"1 100", b"2 20", b"3 3"], self.maildrop.scan_listings())
        self.assertEqual("2 20", self.maildrop.scan_listing(2))
        self.assertEqual(1, self.maildrop.find(2))

    def test_unique_ids(self) -> None:
        """
        UIDVALIDITY and UID make a unique-id of 16 digits.
        """
        self.assertEqual(
            [b"1 65c3a1b000000003", b"2 65c3a1b000000007", b"3 65c3a1b0ffffffff"], self.maildrop.unique_ids()
        )
        self.assertEqual("3 65c3a1b0ffffffff", self.maildrop.unique_id(3))

    def test_deleted(self) -> None:
        """
        What is marked is neither counted nor listed nor found; the numbers of the others stay, and all can be taken back.
        """
        self.maildrop.delete(2)
        self.assertEqual("2 103", self.maildrop.drop_listing)
        self.assertEqual([b"1 100", b"3 3"], self.maildrop.scan_listings())
        self.assertEqual([b"1 65c3a1b000000003", b"3 65c3a1b0ffffffff"], self.maildrop.unique_ids())
        self.assertEqual((7,), self.maildrop.deleted_uids)
        for ask in (self.maildrop.find, self.maildrop.delete, self.maildrop.scan_listing, self.maildrop.unique_id):
            with self.assertRaises(Refused):
                ask(2)
        self.maildrop.delete(1)
        self.assertEqual("1 message (3 octets)", self.maildrop.summary)
        self.maildrop.restore()
        self.assertEqual(("3 123", ()), (self.maildrop.drop_listing, self.maildrop.deleted_uids))

    def test_no_such_message(self) -> None:
        """
        There is no message 0, and none behind the last.
        """
        for number in (0, 4, 10**9):
            with self.assertRaises(Refused):
                self.maildrop.find(number)

    def test_empty(self) -> None:
        """
        A maildrop may be empty.
        """
        empty = Maildrop(1, [], [])
        self.assertEqual(("0 0", [], []), (empty.drop_listing, empty.scan_listings(), empty.unique_ids()))
