"""
Real input through the real server: in by SMTP and APPEND, out by IMAP and POP3, octet for octet.
"""

from __future__ import annotations

import imaplib
import json
import poplib
import re
import smtplib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.protocols.imap.test_rendering import QUIRKS
from tests.support.messages import CORPUS, awkward_messages, corpus_answers, corpus_messages
from tests.support.server import Server
from twisted_mail_server.message.headers import gap_before, header_end
from twisted_mail_server.protocols.imap.rendering import render

ANN, PASSWORD = "ann@example.org", "correct horse battery"

#: How many messages with awkward MIME go through.
GENERATED = 1000

#: Messages of one FETCH.
CHUNK = 100

_TRACE = re.compile(
    rb"\AReturn-Path: <bob@example\.net>\r\nDelivered-To: ann@example\.org\r\nReceived: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*"
)


class MessagesTests(SynchronousTestCase):
    """
    One server, all messages.
    """

    def setUp(self) -> None:
        """
        A server with one account, and the messages in their order.
        """
        self.server = Server(self._folder())
        self.server.add_account(ANN, PASSWORD)
        self.server.start()
        self.addCleanup(self.server.kill)
        self.answers = corpus_answers()
        self.sizes = {
            name: answer["size"] for name, answer in json.loads((CORPUS / "expected.json").read_text()).items()
        }
        self.messages = {**corpus_messages(), **dict(awkward_messages(GENERATED, seed=12))}

    def _folder(self) -> str:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(parents=True)
        return str(folder)

    def imap(self, mailbox: str) -> imaplib.IMAP4:
        """
        A session with a mailbox selected.
        """
        client = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
        self.addCleanup(client.shutdown)
        client.login(ANN, PASSWORD)
        self.assertEqual("OK", client.select(mailbox)[0])
        return client

    def submit_all(self) -> None:
        """
        Send every message by SMTP, one connection for many.
        """
        everything = list(self.messages.values())
        for start in range(0, len(everything), 500):
            with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"]) as client:
                for message in everything[start : start + 500]:
                    client.sendmail("bob@example.net", [ANN], message, ["BODY=8BITMIME"])

    def wait_for_all(self, client: imaplib.IMAP4) -> None:
        """
        Delivery goes on after the last 250.
        """
        for _ in range(200):
            count = client.select("INBOX")[1][0]
            assert count is not None
            if int(count) == len(self.messages):
                return
            time.sleep(0.05)
        self.fail(f"Only {count!r} of {len(self.messages)} messages arrived.")

    def fetched(self, client: imaplib.IMAP4, count: int) -> Iterator[tuple[bytes, int, bytes, bytes]]:
        """
        Content, RFC822.SIZE, ENVELOPE and BODYSTRUCTURE of each message.
        """
        for start in range(1, count + 1, CHUNK):
            numbers = f"{start}:{min(count, start + CHUNK - 1)}"
            contents = [
                part for part in client.fetch(numbers, "(RFC822.SIZE BODY.PEEK[])")[1] if isinstance(part, tuple)
            ]
            shapes = _whole_answers(client.fetch(numbers, "(ENVELOPE BODYSTRUCTURE)")[1])
            for (head, content), shape in zip(contents, shapes, strict=True):
                size = re.search(rb"RFC822\.SIZE ([0-9]+)", head)
                envelope, _, structure = shape.partition(b" BODYSTRUCTURE ")
                assert size is not None
                yield content, int(size[1]), envelope.partition(b"ENVELOPE ")[2], structure[:-1]

    def check(self, name: str, content: bytes, size: int, envelope: bytes, structure: bytes) -> None:
        """
        A message is what went in, and looks as the reference says.
        """
        self.assertEqual(self.messages[name], content, name)
        rendered = render(content)
        self.assertEqual((rendered.envelope, rendered.bodystructure), (envelope, structure), name)
        if name in self.answers:
            self.assertEqual(self.sizes[name], size, name)
            for key, found in (("envelope", envelope), ("bodystructure", structure)):
                if (name, key) not in QUIRKS:
                    self.assertEqual(self.answers[name][key], found, f"{name} {key}")

    def test_by_smtp(self) -> None:
        """
        What comes by SMTP is read by IMAP and POP3 as it was sent, after its trace fields, with the size, envelope and structure it has.
        """
        self.submit_all()
        client = self.imap("INBOX")
        self.wait_for_all(client)
        in_order: list[bytes] = []
        arrived: list[bytes] = []
        found = self.fetched(client, len(self.messages))
        names = {message: name for name, message in self.messages.items()}
        for stored, size, envelope, structure in found:
            trace = _TRACE.match(stored)
            assert trace is not None, stored[:300]
            content = stored[trace.end() :]
            self.assertEqual(len(stored), size)
            if content not in names:
                # What does not begin with a header was kept apart from ours (docs/quirks.md).
                content = content.removeprefix(b"\r\n")
                self.assertTrue(gap_before(content), content)
            else:
                self.check(names[content], content, size - trace.end(), envelope, structure)
            in_order.append(stored)
            arrived.append(content)
        self.assertEqual(sorted(self.messages.values()), sorted(arrived))
        self.check_pop3(in_order)

    def check_pop3(self, stored: list[bytes]) -> None:
        """
        POP3 gives the same octets under the same numbers; without UTF8, all but those with UTF-8 in a header (RFC 6856 section 2.1).
        """
        poplib._MAXLINE = 100_000  # type: ignore[attr-defined]
        for says_utf8 in (True, False):
            client = poplib.POP3("127.0.0.1", self.server.ports["pop3"])
            self.addCleanup(client.close)
            if says_utf8:
                client.utf8()
            client.user(ANN)
            client.pass_(PASSWORD)
            self.assertEqual((len(stored), sum(map(len, stored))), client.stat())
            for number, message in enumerate(stored, 1):
                lines = client.retr(number)[1]
                if says_utf8 or message[: header_end(message)].isascii():
                    self.assertEqual(message, b"\r\n".join([*lines, b""]), number)
            client.quit()

    def test_by_append(self) -> None:
        """
        What comes by APPEND is read by IMAP as it was sent, with the size, envelope and structure it has.
        """
        client = self.imap("Archive")
        for message in self.messages.values():
            self.assertEqual("OK", client.append("Archive", "", "", message)[0])
        client.select("Archive")
        found = list(self.fetched(client, len(self.messages)))
        self.assertEqual(len(self.messages), len(found))
        for name, (content, size, envelope, structure) in zip(self.messages, found, strict=True):
            self.check(name, content, size, envelope, structure)


def _whole_answers(parts: Sequence[object]) -> Iterator[bytes]:
    """
    The untagged FETCH answers with their literals in place.
    """
    whole = b""
    for part in parts:
        if isinstance(part, tuple):
            # imaplib takes the CRLF out that stands between a literal's size and its octets.
            whole += part[0] + b"\r\n" + part[1]
        elif isinstance(part, bytes):
            yield whole + part
            whole = b""
