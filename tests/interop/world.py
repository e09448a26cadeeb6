"""
Our server among other people's, all of them in the small machine that L{tests.interop.apart} makes, and a table of what was seen.
"""

from __future__ import annotations

import atexit
import contextlib
import email
import email.message
import email.policy
import imaplib
import os
import re
import smtplib
import socketserver
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeVar

from tests.interop.apart import ADDRESSES, MARK
from tests.interop.mta import POLICY_PORT, Exim, OpenSmtpd, Peer, Postfix, Unbound
from tests.support.server import LISTENERS, Server

OURS = "ours.example"
ANN, PASSWORD = f"ann@{OURS}", "correct horse battery"
#: Somebody whose name needs SMTPUTF8.
ZOE = f"zoë@{OURS}"

#: Seconds until a message that has not arrived counts as lost.
PATIENCE = 30

#: Where we are, and where nobody is.
OUR_ADDRESS, DEAD_ADDRESS = ADDRESSES[0], ADDRESSES[4]

SETTINGS = f"""
hostname = "mx.{OURS}"
domains = ["{OURS}"]
[dns]
resolvers = ["127.0.0.1:53"]
[relay]
retry_schedule = ["1s", "2s", "3s"]
[submission]
recipients_per_hour = 0
{LISTENERS}
[[listener]]
protocol = "smtp"
endpoint = "tcp:25:interface={OUR_ADDRESS}"
tls = "starttls"
"""

T = TypeVar("T")


class World:
    """
    All of them.

    @ivar peers: by name.
    """

    def __init__(self) -> None:
        if MARK not in os.environ:
            raise AssertionError("This runs only inside of tests.interop.apart; make interop does it.")
        peers: Sequence[Peer] = (Postfix(ADDRESSES[1]), Exim(ADDRESSES[2]), OpenSmtpd(ADDRESSES[3]))
        self.peers = {peer.name: peer for peer in peers}
        domains = {peer.domain: peer.address for peer in peers}
        self.unbound = Unbound({**domains, OURS: OUR_ADDRESS}, dead=("postfix.example", DEAD_ADDRESS))
        self.server = Server(tempfile.mkdtemp(dir="/run"), SETTINGS)
        self.table = Table()
        #: What was read so far: messages by UID, of each.
        self._inboxes: dict[str, dict[int, bytes]] = {}
        self.policy = Greylist(("127.0.0.1", POLICY_PORT))

    def start(self) -> None:
        """
        Start all.
        """
        self.unbound.start()
        threading.Thread(target=self.policy.serve_forever, daemon=True).start()
        for peer in self.peers.values():
            peer.start()
            self.table.versions[peer.name] = peer.version()
        for address in (ANN, ZOE):
            self.server.add_account(address, PASSWORD)
        self.server.start()

    def stop(self) -> None:
        """
        End all, and show the table.
        """
        self.server.stop()
        for program in (*self.peers.values(), self.unbound):
            program.stop()
        self.policy.shutdown()
        self.policy.server_close()
        print(self.table)

    @contextlib.contextmanager
    def submission(self, login: str = ANN) -> Iterator[smtplib.SMTP]:
        """
        A mail client that has logged in.
        """
        with smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=PATIENCE) as client:
            client.starttls(context=trusting())
            client.login(login, PASSWORD)
            yield client

    def submit(
        self,
        content: bytes,
        *recipients: str,
        sender: str = ANN,
        options: Sequence[str] = (),
        wishes: Sequence[str] = (),
    ) -> None:
        """
        Give a message to our server.
        """
        with self.submission() as client:
            client.sendmail(sender, recipients, content, options, wishes)

    def inject(
        self,
        peer: Peer,
        content: bytes,
        *recipients: str,
        sender: str = "",
        options: Sequence[str] = (),
        wishes: Sequence[str] = (),
    ) -> None:
        """
        Give a message to a peer, to send it on.
        """
        with smtplib.SMTP(peer.address, timeout=PATIENCE, source_address=("127.0.0.1", 0)) as client:
            client.sendmail(sender or f"bob@{peer.domain}", recipients, content, options, wishes)

    def inbox(self, address: str = ANN) -> list[bytes]:
        """
        The messages of somebody here.
        """
        known = self._inboxes.setdefault(address, {})
        client = imaplib.IMAP4_SSL("127.0.0.1", self.server.ports["imaps"], ssl_context=trusting())
        try:
            # LOGIN knows no such names; SASL does.
            client.authenticate("PLAIN", lambda _: f"\0{address}\0{PASSWORD}".encode())
            client.select("INBOX", readonly=True)
            for part in client.uid("FETCH", f"{max(known, default=0) + 1}:*", "(UID BODY.PEEK[])")[1]:
                if isinstance(part, tuple):
                    (number,) = re.findall(rb"UID ([0-9]+)", part[0])
                    known[int(number)] = part[1]
        finally:
            client.logout()
        return list(known.values())

    def log(self) -> str:
        """
        What our server has logged.
        """
        return (self.server.folder / "server.log").read_text("utf-8", "replace")

    def evidence(self) -> str:
        """
        The ends of all logs.
        """
        ours = [line for line in self.log().splitlines() if "service=imap" not in line and "authenticator" not in line]
        logs = {"ours": "\n".join(ours), **{name: peer.log() for name, peer in self.peers.items()}}
        return "\n".join(f"--- {name}\n{text[-4000:]}" for name, text in logs.items())

    def wait_for(self, look: Callable[[], T | None], what: str) -> T:
        """
        What C{look} finds, as soon as it finds something.

        @raise AssertionError: it does not.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{what} did not come.\n{self.evidence()}")


@cache
def world() -> World:
    """
    The one of this run; it ends with the run.
    """
    made = World()
    atexit.register(made.stop)
    made.start()
    return made


class Greylist(socketserver.ThreadingTCPServer):
    """
    Asks whom it does not know to come again, in the way of Postfix's SMTPD_POLICY_README.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Policy)
        #: Sender and recipient, and how often they were seen.
        self.seen: dict[tuple[str, str], int] = {}

    def decide(self, question: dict[str, str]) -> str:
        """
        What is to be done with a recipient.
        """
        key = (question.get("sender", ""), question.get("recipient", ""))
        self.seen[key] = self.seen.get(key, 0) + 1
        return "DUNNO" if self.seen[key] > 2 else "DEFER_IF_PERMIT Greylisted; come again"


class _Policy(socketserver.StreamRequestHandler):
    server: Greylist

    def handle(self) -> None:
        question: dict[str, str] = {}
        for line in self.rfile:
            name, equals, value = line.decode().rstrip("\n").partition("=")
            if equals:
                question[name] = value
            else:
                self.wfile.write(f"action={self.server.decide(question)}\n\n".encode())
                question = {}


class Table:
    """
    What went well, for people.
    """

    COLUMNS = (
        "peer",
        "version",
        "direction",
        "TLS",
        "CHUNKING",
        "DSN",
        "bounce",
        "8-bit",
        "UTF-8",
        "5 MB",
        "20 messages",
        "result",
    )

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self._seen: dict[tuple[str, str], dict[str, str]] = {}
        self._stories: list[str] = []

    def note(self, peer: str, direction: str, column: str, what: str = "yes") -> None:
        """
        One thing that went well.
        """
        self._seen.setdefault((peer, direction), {})[column] = what

    def tell(self, story: str) -> None:
        """
        Something that has no column.
        """
        self._stories.append(story)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [self.COLUMNS]
        for (peer, direction), seen in sorted(self._seen.items()):
            cells = [seen.get(column, "FAILED") for column in self.COLUMNS[3:-1]]
            result = "failed" if "FAILED" in cells else "passed"
            rows.append((peer, self.versions.get(peer, ""), direction, *cells, result))
        widths = [max(len(row[place]) for row in rows) for place in range(len(self.COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join(["", *lines, *self._stories])


def trusting() -> ssl.SSLContext:
    """
    A context for a server whose certificate it made itself.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def message(token: str, sender: str, recipient: str, body: bytes = b"", more: str = "") -> bytes:
    """
    A message that can be known again, with lines that test the protocols.
    """
    head = (
        f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {token}\r\nMessage-ID: <{token}@test.example>\r\n"
        f"Date: Wed, 18 Nov 2026 11:06:40 +0000\r\n{more}\r\n"
    ).encode()
    return head + (body or f"This is {token}.\r\n.\r\n..two dots\r\nFrom the start of a line\r\n\r\nend\r\n".encode())


def report_of(content: bytes) -> list[dict[str, str]] | None:
    """
    What a delivery status notification says, as Python's own library reads it: of the message, then of each recipient;
    L{None} for another message.
    """
    for part in email.message_from_bytes(content, policy=email.policy.compat32).walk():
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            groups = part.get_payload()
            assert isinstance(groups, list)
            return [_group(one) for one in groups if isinstance(one, email.message.Message) and one.items()]
    return None


def _group(fields: email.message.Message) -> dict[str, str]:
    return {name.lower(): re.sub(r"\s+", " ", str(value)) for name, value in fields.items()}


def first_received(content: bytes) -> str:
    """
    The trace field of the server that has the message.
    """
    head = re.sub(rb"\r\n[ \t]+", b" ", content.partition(b"\r\n\r\n")[0]).decode("utf-8", "replace")
    (first, *_) = [line for line in head.split("\r\n") if line.lower().startswith("received:")]
    return first
