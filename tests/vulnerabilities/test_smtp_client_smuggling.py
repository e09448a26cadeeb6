"""
Messages that hide another message from us, for the next server to find (SMTP smuggling, outbound; CVE-2023-51764).
"""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.support.smtp import HOSTNAME, SmtpCase
from tests.support.smtp_client import HELLO, ClientDriver, mail
from twisted_mail_server.protocols.smtp.client_conversation import Wishes
from twisted_mail_server.protocols.smtp.conversation import Policy
from twisted_mail_server.protocols.smtp.events import Content, MailAsked

EVIL = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nevil\r\n.\r\n"
#: What some server, somewhere, has taken for the end of the content.
ENDS = (
    b"\r\n.\r\n",
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r\n\x00.\r\n",
    b"\r\r\n.\r\r\n",
)


class SmugglingTests(SmtpCase, SynchronousTestCase):
    """
    A message that came to us by whatever way, on its way out.
    """

    def send(self, content: bytes, piece: int) -> bytes:
        """
        All that is said after DATA was accepted.
        """
        driver = ClientDriver(Wishes(HELLO, "mx"), [(mail(content=content), content)], piece=piece, quits=False)
        for reply in (b"220 hi", b"250 hi", b"250 ok", b"250 ok"):
            driver.receive(reply + b"\r\n")
        return driver.receive(b"354 Go\r\n")

    def test_no_end_within(self) -> None:
        """
        Nothing but the last line is a dot alone, by any notion of a line, however the content is cut; no bare CR or LF.
        """
        for end in ENDS:
            content = b"Subject: x\r\n\r\nhello" + end + EVIL
            for piece in (1, 2, 3, 5, 1000):
                said = self.send(content, piece)
                self.assertTrue(said.endswith(b"\r\n.\r\n"))
                self.assertEqual([], re.findall(rb"(?:\r|\n)\.(?:\r|\n)", said[:-3]))
                self.assertEqual([], re.findall(rb"\r(?!\n)|(?<!\r)\n", said))

    def test_one_message(self) -> None:
        """
        A server of our own finds one message in it.
        """
        for end in ENDS:
            said = self.send(b"hello" + end + EVIL, 7)
            server = self.make(Policy(HOSTNAME))
            server.receive(b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n")
            server.receive(said)
            self.assertEqual(1, sum(isinstance(event, MailAsked) for event in server.events))
            self.assertEqual(1, sum(isinstance(event, Content) for event in server.events))
