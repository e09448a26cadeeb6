"""
L{twisted_mail_server.model.replies}, L{twisted_mail_server.model.errors} and L{twisted_mail_server.model.queue}
"""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.model import errors
from twisted_mail_server.model.errors import DiskFull, MailError, SyntaxProblem
from twisted_mail_server.model.queue import QueueId
from twisted_mail_server.model.replies import Reply


class ReplyTests(SynchronousTestCase):
    """
    SMTP replies.
    """

    def test_lines(self) -> None:
        """
        All lines but the last have a hyphen; each has the enhanced code.
        """
        self.assertEqual(b"250 2.1.0 Fine\r\n", Reply(250, "Fine", "2.1.0").encode())
        self.assertEqual(
            b"250-mail.example\r\n250-SIZE 1\r\n250 AUTH\r\n",
            Reply(250, "mail.example", "", ("SIZE 1", "AUTH")).encode(),
        )

    def test_no_forged_lines(self) -> None:
        """
        No text can add a line, or hold what does not belong in one.
        """
        self.assertEqual(b"550 a??250 b?\r\n", Reply(550, "a\r\n250 b\xe9").encode())
        self.assertEqual(486, len(Reply(550, "x" * 2000).encode()))

    def test_utf8(self) -> None:
        """
        Only a reply that may holds UTF-8 (RFC 6531 section 3.7.4), cut between characters, without controls all the same.
        """
        self.assertEqual(b"250 2.1.5 <?@b.example>\r\n", Reply(250, "<ü@b.example>", "2.1.5").encode())
        said = Reply(250, "<ü@b.example>", "2.1.5", ("a\r\n\x85\u2028b\ud800",), is_utf8=True)
        self.assertEqual("250-2.1.5 <ü@b.example>\r\n250 2.1.5 a????b?\r\n".encode(), said.encode())
        self.assertEqual(4 + 480 + 2, len(Reply(250, "ü" * 400, is_utf8=True).encode()))
        self.assertEqual(4 + 479 + 2, len(Reply(250, "x" + "ü" * 400, is_utf8=True).encode()))

    def test_of_a_problem(self) -> None:
        """
        A failure says its public sentence under its codes.
        """
        self.assertEqual(b"452 4.3.1 No room.\r\n", Reply.of(DiskFull("No room.")).encode())

    def test_kinds(self) -> None:
        """
        What a reply means follows from its code.
        """
        self.assertTrue(Reply(354, "Go on").is_positive)
        self.assertFalse(Reply(450, "Later").is_positive)
        self.assertEqual([True, True, False], [Reply(code, "").ends_session for code in (221, 421, 250)])


class ErrorsTests(SynchronousTestCase):
    """
    The tree of expected failures.
    """

    def test_every_leaf_can_be_told(self) -> None:
        """
        Each failure has a docstring and codes of the right form and of one class (RFC 3463, RFC 5248).
        """
        kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, MailError)]
        self.assertGreater(len(kinds), 20)
        for kind in kinds:
            self.assertTrue(kind.__doc__)
            self.assertTrue(400 <= kind.code < 600, kind)
            self.assertTrue(re.fullmatch(r"[45]\.\d\.\d{1,3}", kind.enhanced), kind)
            self.assertEqual(str(kind.code)[0], kind.enhanced[0], kind)
            self.assertEqual("Sorry.", kind("Sorry.").public)

    def test_imap_codes(self) -> None:
        """
        What a failure says to an IMAP client is a code that clients know (RFC 5530 and, for four of them, RFC 3501, 4469 and 7888).
        """
        rfc_5530 = (
            "UNAVAILABLE AUTHENTICATIONFAILED AUTHORIZATIONFAILED EXPIRED PRIVACYREQUIRED CONTACTADMIN NOPERM INUSE EXPUNGEISSUED"
            " CORRUPTION SERVERBUG CLIENTBUG CANNOT LIMIT OVERQUOTA ALREADYEXISTS NONEXISTENT"
        )
        known = {"", *rfc_5530.split(), "TRYCREATE", "TOOBIG"}
        for kind in vars(errors).values():
            if isinstance(kind, type) and issubclass(kind, MailError):
                self.assertIn(kind.imap_code, known, kind)


class QueueIdTests(SynchronousTestCase):
    """
    Queue ids.
    """

    def test_there_and_back(self) -> None:
        """
        An id is written as 32 hexadecimal digits, and read from nothing else.
        """
        queue_id = QueueId(bytes(range(16)))
        self.assertEqual(queue_id, QueueId.parse(str(queue_id)))
        for wrong in ("", "0" * 31, "G" * 32, "0" * 33, "0" * 31 + "\n"):
            with self.assertRaises(SyntaxProblem):
                QueueId.parse(wrong)
