"""
Header injection: a client that writes header fields, or replies, by what it says in HELO, MAIL, RCPT or AUTH.

Every server that put C{HELO} into C{Received} as it came had this, and every web form that put an address into C{To}.
Here a command is one line of printable octets before anything reads it, and what goes into a trace
field goes through one function that leaves no line end, control or parenthesis.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from tests.support.allservers import AllServers
from twisted_mail_server.message.headers import fields, header_end
from twisted_mail_server.message.trace import Hop, delivered_to, received, return_path
from twisted_mail_server.model.queue import Outcome, Result

EVIL = "X-Evil: yes"
#: What ends a line for somebody, somewhere.
ENDS = ("\r\n", "\n", "\r", "\n\r", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\r\n ", "\r\n\r\n", "\\r\\n", "%0d%0a")
CONTENT = b"Subject: Hello\r\n\r\nHow are you?\r\n"


def names_of(message: bytes) -> list[bytes]:
    """
    The names of its header fields, in small letters.
    """
    return [field.name.lower() for field in fields(message[: header_end(message)])]


class InjectionTests(SynchronousTestCase):
    """
    The whole way, from the wire to the mailbox and back to the sender.
    """

    def setUp(self) -> None:
        """
        A server where Ana lives.
        """
        self.servers = AllServers()
        self.house = self.servers.house
        self.ana = self.servers.add("ana@example.org")

    def send(self, hello: str, sender: str, recipient: str = "<ana@example.org>") -> list[bytes]:
        """
        What is in Ana's mailbox after a session in which these were said; every reply is one line.
        """
        transport = self.servers.connect("smtp", "192.0.2.1")
        for command in (
            f"EHLO {hello}",
            "EHLO me",
            f"EHLO {hello}",
            f"MAIL FROM:{sender} SMTPUTF8",
            f"RCPT TO:{recipient}",
            "DATA",
        ):
            transport.deliver(command.encode() + b"\r\n")
        transport.deliver(CONTENT + b".\r\nQUIT\r\n")
        for line in transport.take().split(b"\r\n")[:-1]:
            self.assertRegex(line, rb"\A[2-5][0-9]{2}[ -][^\r\n\0]*\Z")
            self.assertFalse(line.startswith(EVIL.encode()), line)
        transport.lose()
        return self.house.inbox(self.ana)

    def check(self, messages: list[bytes]) -> None:
        """
        Each has the fields that we write, and its own, and no line of its header is anybody else's.
        """
        for message in messages:
            self.assertEqual([b"return-path", b"delivered-to", b"received", b"subject"], names_of(message))
            header = message[: header_end(message)]
            self.assertEqual(header.count(b"\r\n"), header.count(b"\n"))
            self.assertEqual(header.count(b"\r\n"), header.count(b"\r"))
            self.assertTrue(message.endswith(CONTENT), message)

    def test_hello(self) -> None:
        """
        What a client calls itself adds nothing to the header.
        """
        for end in ENDS:
            for name in (f"me{end}{EVIL}", f"{end}{EVIL}", f"me){end}{EVIL}", f"[192.0.2.1]{end}{EVIL}"):
                self.send(name, "<bob@example.net>")
        messages = self.house.inbox(self.ana)
        self.assertGreater(len(messages), 40)
        self.check(messages)

    def test_forged_remarks(self) -> None:
        """
        Nor can it look like what we have found out ourselves: no parenthesis, no second word comes through.
        """
        for name in ("me (trusted.example.org [192.0.2.99]) by mail.example.org with ESMTPSA id 1; Mon,", "x(y)z"):
            self.send(name, "<bob@example.net>")
        for message in self.house.inbox(self.ana):
            header = message[: header_end(message)].replace(b"\r\n\t", b" ")
            word, by = re.findall(rb"Received: from (\S+) \(\[192\.0\.2\.1\]\) by (\S+) with", header)[0]
            self.assertEqual(b"mail.example.org", by)
            self.assertNotIn(b"(", word)
            self.assertEqual((1, 1), (header.count(b"("), header.count(b")")))

    def test_senders(self) -> None:
        """
        Nor an address in MAIL, quoted or not.
        """
        for end in ENDS:
            for sender in (
                f"<bob{end}{EVIL}@example.net>",
                f'<"bob{end}{EVIL}"@example.net>',
                f'<"bob\\{end}{EVIL}"@example.net>',
                f"<bob@example.net{end}{EVIL}>",
                f"<bob@example.net>{end}{EVIL}",
            ):
                self.send("me", sender)
        self.check(self.house.inbox(self.ana))

    def test_recipients(self) -> None:
        """
        Nor one in RCPT, where an alias or a detail lets much through.
        """
        for end in ENDS:
            for recipient in (
                f"<ana+{end}{EVIL}@example.org>",
                f'<"ana+{end}{EVIL}"@example.org>',
                f"<ana@example.org{end}{EVIL}>",
                f"<ana@example.org>{end}{EVIL}",
                f"<ana@example.org> ORCPT=rfc822;x{end}{EVIL}",
                "<ana@example.org> ORCPT=rfc822;x+0D+0AX-Evil:+20yes",
            ):
                self.send("me", "<bob@example.net>", recipient)
        self.check(self.house.inbox(self.ana))

    def test_trace_fields(self) -> None:
        """
        The writers of trace fields hold what they promise even for what no parser of ours lets through.
        """
        moment = datetime(2026, 11, 1, tzinfo=UTC)
        for end in ENDS:
            evil = f"x{end}{EVIL}"
            hop = Hop(evil, "192.0.2.1", evil, evil, evil, moment, name=evil, recipient=evil, tls=evil)
            for written in (received(hop), return_path(evil), delivered_to(evil), return_path(f'"{evil}"@{evil}')):
                self.assertEqual([len(written)], [field.end for field in fields(written)])
                self.assertNotIn(b"\nX-Evil", written)

    def test_reports(self) -> None:
        """
        What another server says, an envelope id, an original recipient and the message itself add no field to a report, nor a part.
        """
        for end in ENDS:
            said = f"550 5.1.1 no{end}{EVIL}{end}{end}--boundary{end}Action: delivered"
            refusal = Result(0, Outcome.FAILED, said, "5.1.1", f"smtp; {said}", f"mx.example.net{end}{EVIL}")
            self.house.relay.answer = lambda message, number, refusal=refusal: refusal  # type: ignore[misc]
            self.assertNotIn(b"Queued", self.submit("ENVID=a+0D+0AX-Evil:+20yes"))
            self.assertNotIn(b"Queued", self.submit(rcpt="ORCPT=rfc822;x+0D+0AAction:+20delivered"))
            self.assertIn(b"Queued", self.submit("ENVID=a+20Action:+20x", "ORCPT=rfc822;x+20Action:+20delivered"))
        reports = self.house.inbox(self.ana)
        self.assertEqual(len(ENDS), len(reports))
        for report in reports:
            self.assertNotIn(b"x-evil", names_of(report))
            lines = report.split(b"\r\n")
            self.assertEqual(1, sum(line.startswith(b"Action:") for line in lines))
            self.assertEqual([], [line for line in lines if line.startswith((b"X-Evil", b"--boundary"))])
            self.assertEqual(report.count(b"\r\n"), report.count(b"\n"))

    def submit(self, mail: str = "", rcpt: str = "") -> bytes:
        """
        What is said when Ana writes to somebody elsewhere.
        """
        transport = self.servers.connect("submission")
        transport.deliver(b"EHLO me\r\nAUTH PLAIN AGFuYUBleGFtcGxlLm9yZwBzZWNyZXQ=\r\n")
        transport.deliver(f"MAIL FROM:<ana@example.org> {mail}\r\nRCPT TO:<bob@example.net> {rcpt}\r\n".encode())
        transport.deliver(b"DATA\r\n" + CONTENT + b".\r\n")
        heard = transport.take()
        transport.lose()
        return heard
