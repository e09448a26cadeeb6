"""
SMTP smuggling through us: what a client hands in is clean to us, and what we hand on is two messages to the next server
(CVE-2023-51764, -51765 and -51766).

The ways in are DATA and BDAT, the ways out are DATA as it is, and converted for a server without 8BITMIME.  On none of them leaves a
lone CR or LF, nor a line of one dot that is not doubled, nor anything that another reader of lines would take for the end.
"""

from __future__ import annotations

import re
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import AllServers, login
from tests.support.drive import now
from tests.support.smtp_client import HELLO, ClientDriver, mail
from twisted_mail_server.message.downgrade import CannotConvert, seven_bit
from twisted_mail_server.message.lines import find_bare
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result
from twisted_mail_server.protocols.smtp.client_conversation import Wishes

EVIL = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nevil\r\n.\r\n"
LINE_ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\0\n", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xe2\x80\xa8")
HEADS = (
    b"Subject: x\r\n\r\n",
    "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nä\r\n".encode(),
    b"Content-Type: multipart/mixed; boundary=.\r\n\r\n--.\r\n\r\n\xe4\r\n",
    b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\xfe",
    b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=0D=0A.=0D=0A=\r\n",
)


class RelayedSmugglingTests(SynchronousTestCase):
    """
    From the wire to the wire.
    """

    def setUp(self) -> None:
        """
        Ana may send; what is sent on is kept as it is read from the spool.
        """
        self.servers = AllServers()
        self.servers.add("ana@example.org")
        self.relayed: list[bytes] = []
        self.servers.house.relay.answer = self.relay

    def relay(self, message: QueuedMessage, number: int) -> Result:
        """
        Keep the content.
        """
        self.relayed.append(now(self.servers.house.spool.read(message, 0, message.size)))
        return Result(number, Outcome.RELAYED, "fine")

    def submit(self, content: bytes, size: int, *, chunk: int = 0) -> bytes:
        """
        How the server answers a message, sent by DATA or in chunks, in reads of C{size}.
        """
        transport = self.servers.connect("submission")
        transport.deliver(
            login("submission") + b"MAIL FROM:<ana@example.org> BODY=8BITMIME\r\nRCPT TO:<bob@example.net>\r\n"
        )
        if chunk:
            pieces = [content[at : at + chunk] for at in range(0, len(content), chunk)]
            said = b"".join(b"BDAT %d\r\n%b" % (len(piece), piece) for piece in pieces) + b"BDAT 0 LAST\r\n"
        else:
            transport.deliver(b"DATA\r\n")
            stuffed = (
                re.sub(rb"(?m)^\.", b"..", content)
                if content.startswith(b".")
                else content.replace(b"\r\n.", b"\r\n..")
            )
            said = stuffed + b"\r\n.\r\n"
        transport.take()
        for at in range(0, len(said), size):
            transport.deliver(said[at : at + size])
        heard = transport.take()
        transport.lose()
        return heard

    def contents(self) -> list[bytes]:
        """
        Messages that hide another one, in every way that is known.
        """
        found = []
        for head, before, after in product(HEADS, LINE_ENDS, LINE_ENDS):
            found.append(head + b"hello" + before + b"." + after + EVIL)
        return found

    def check_clean(self, said: bytes) -> None:
        """
        The content as it leaves: lines that end in CRLF, one of them a dot alone, the last.
        """
        self.assertTrue(said.endswith(b"\r\n.\r\n"))
        self.assertEqual(-1, find_bare(said))
        self.assertEqual([len(said) - 5], [found.start() for found in re.finditer(rb"\r\n\.\r\n", said)])
        self.assertEqual([], re.findall(rb"[\r\n]\.[\r\n]", said[:-3]))

    def sent_on(self, content: bytes, piece: int) -> bytes:
        """
        All that our client says after DATA was accepted.
        """
        driver = ClientDriver(Wishes(HELLO, "mx"), [(mail(content=content), content)], piece=piece, quits=False)
        for reply in (b"220 hi", b"250-hi\r\n250 8BITMIME", b"250 ok", b"250 ok"):
            driver.receive(reply + b"\r\n")
        return driver.receive(b"354 Go\r\n")

    def test_through(self) -> None:
        """
        What DATA or BDAT took, in whatever pieces, is clean in the spool and on the way out; the rest was refused.
        """
        taken = 0
        for number, content in enumerate(self.contents()):
            for chunk in (0, 1 + number % 40):
                del self.relayed[:]
                heard = self.submit(content, 1 + number % 23 if number % 3 else 65_536, chunk=chunk)
                if b"Queued" not in heard:
                    self.assertRegex(heard, rb"(?m)^5[0-9]{2} ")
                    self.assertEqual([], self.relayed)
                    continue
                taken += 1
                (relayed,) = self.relayed
                self.assertEqual(-1, find_bare(relayed))
                self.assertEqual(1, heard.count(b"Queued"))
                self.check_clean(self.sent_on(relayed, 1 + number % 50))
        self.assertGreater(taken, 100)

    def test_converted(self) -> None:
        """
        So is what is converted to seven bits, whatever line ends are in it.
        """
        converted = 0
        for content in self.contents():
            try:
                seven = seven_bit(content)
            except CannotConvert:
                continue
            converted += content != seven
            self.assertTrue(seven.isascii())
            for piece in (1, 7, 10_000):
                self.check_clean(self.sent_on(seven, piece))
        self.assertGreater(converted, 100)
