"""
The attacks once more where they bite: against the server as it is started, on real sockets, with real files.

One start serves all tests here.  It is a server that nobody configured, but for its ports: so its first account, its key and its data
directory are those that users get; and it was started by somebody with a careless umask.
"""

from __future__ import annotations

import atexit
import base64
import os
import re
import shutil
import smtplib
import socket
import ssl
import stat
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.disks import memory_folder
from tests.support.server import LISTENERS, Server
from tests.vulnerabilities.test_open_relay import SPELLINGS
from twisted_mail_server.model import limits

SETTINGS = (
    'hostname = "mail.example.org"\n[auth]\nallow_plaintext = true\n[log]\nlevel = "debug"\n[limits]\nmessage_size = "20 MiB"\n'
    + LISTENERS
)
DEMO = "demo@localhost"


@cache
def the_server() -> Server:
    """
    Started at first use, and ended with the process.
    """
    folder = memory_folder()
    os.chmod(folder, 0o755)
    server = Server(folder, SETTINGS)
    before = os.umask(0)
    try:
        server.start()
    finally:
        os.umask(before)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.kill)
    return server


class Client:
    """
    A socket that says and hears octets.
    """

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.heard = b""

    def say(self, data: bytes) -> None:
        """
        Send all of it.
        """
        self.socket.sendall(data)

    def hear(self, pattern: bytes) -> bytes:
        """
        What is said up to the pattern's end; all there is if the connection ends first.
        """
        while (found := re.search(pattern, self.heard)) is None:
            piece = self.socket.recv(65536)
            if not piece:
                said, self.heard = self.heard, b""
                return said
            self.heard += piece
        said, self.heard = self.heard[: found.end()], self.heard[found.end() :]
        return said

    def start_tls(self) -> None:
        """
        From here on in private.
        """
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def close(self) -> None:
        """
        Go.
        """
        self.socket.close()


class ListeningServerTests(SynchronousTestCase):
    """
    One server, many attackers.
    """

    def setUp(self) -> None:
        """
        It runs.
        """
        self.server = the_server()
        self.password = (self.data / "first-account.txt").read_text().split()[1]

    @property
    def data(self) -> Path:
        """
        Its data directory.
        """
        return self.server.folder / "mail-data"

    def connect(self, name: str) -> Client:
        """
        A connection to a listener.
        """
        client = Client(self.server.ports[name])
        self.addCleanup(client.close)
        return client

    def enter(self) -> Client:
        """
        An IMAP session.
        """
        client = self.connect("imap")
        client.say(f"a LOGIN {DEMO} {self.password}\r\n".encode())
        self.assertIn(b"a OK", client.hear(rb"a (OK|NO|BAD).*\r\n"))
        return client

    def memory(self) -> int:
        """
        Octets that the server has in memory.
        """
        assert self.server.process is not None
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def test_modes(self) -> None:
        """
        Whatever the umask was, the data directory and all in it is for the server's user alone: key, first account, mail, spool.
        """
        self.enter().say(b"b APPEND INBOX {70000+}\r\n" + b"x" * 70_000 + b"\r\n")
        self.assertTrue((self.data / "key.pem").exists() or list(self.data.rglob("*key*")))
        self.assertEqual(0o700, stat.S_IMODE(self.data.stat().st_mode))
        for path in self.data.rglob("*"):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            if stat.S_ISSOCK(mode):
                continue
            self.assertEqual(0, stat.S_IMODE(mode) & 0o077, f"{path} {mode:o}")
        self.assertEqual(0o600, stat.S_IMODE((self.data / "first-account.txt").stat().st_mode))

    def test_no_secret_in_the_log(self) -> None:
        """
        The first account's password is neither in the log nor on the terminal, after logins by every way, right and wrong, at level
        debug; the settings, which name what is secret, are not there either.
        """
        plain = base64.b64encode(f"\0{DEMO}\0{self.password}".encode())
        for name, said, last in (
            ("imap", b"a LOGIN %b %b\r\n", rb"a (OK|NO).*\r\n"),
            ("imap", b"a LOGIN %b x%b\r\n", rb"a (OK|NO).*\r\n"),
            ("pop3", b"USER %b\r\nPASS %b\r\n", rb"(Maildrop|-ERR).*\r\n"),
            ("pop3", b"PASS %b\r\nUSER %b\r\n", rb"-ERR.*\r\n"),
        ):
            client = self.connect(name)
            client.say(said % (DEMO.encode(), self.password.encode()))
            client.hear(last)
        for said in (b"EHLO me\r\nAUTH PLAIN " + plain, b"AUTH PLAIN " + plain, b"EHLO me\r\nAUTH LOGIN\r\n" + plain):
            client = self.connect("submission")
            # Where a password is waited for, the first QUIT is taken for one.
            client.say(said + b"\r\nQUIT\r\nQUIT\r\n")
            client.hear(rb"221 .*\r\n")
        log = (self.server.folder / "server.log").read_text() + self.server.said
        self.assertIn("login demo@localhost", log)
        self.assertNotIn(self.password, log)
        self.assertNotIn(plain.decode(), log)
        self.assertNotIn(base64.b64encode(self.password.encode()).decode()[:-2], log)

    def test_slow_reader(self) -> None:
        """
        Clients that ask for a gigabyte and read nothing cost a few megabytes; others are served meanwhile.
        """
        first = self.enter()
        size = 8 * limits.MIB
        first.say(b"b APPEND INBOX {%d+}\r\n" % size + (b"x" * 1022 + b"\r\n") * (size // 1024) + b"\r\n")
        self.assertIn(b"b OK", first.hear(rb"b (OK|NO|BAD).*\r\n"))
        before = self.memory()
        slow = []
        for _ in range(10):
            client = self.enter()
            client.say(b"b SELECT INBOX\r\n" + b"c FETCH 1:* BODY.PEEK[]\r\n" * 20)
            slow.append(client)
        other = self.enter()
        other.say(b"b STATUS INBOX (MESSAGES)\r\n")
        self.assertIn(b"b OK", other.hear(rb"b (OK|NO|BAD).*\r\n"))
        self.assertLess(self.memory() - before, 10 * 4 * limits.MIB)
        for client in slow:
            client.close()

    def test_smuggling(self) -> None:
        """
        No false end of content makes two messages of one.
        """
        for end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\r.\r\n", b"\r\n\x00.\r\n"):
            client = self.connect("smtp")
            client.say(b"EHLO me\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<demo@localhost>\r\nDATA\r\n")
            client.hear(rb"354 .*\r\n")
            client.say(b"A: b\r\n\r\nhello" + end)
            client.say(b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<demo@localhost>\r\nDATA\r\nevil\r\n.\r\nQUIT\r\n")
            heard = client.hear(rb"221 .*\r\n")
            codes = [line[:3] for line in heard.splitlines()]
            self.assertEqual([b"250" if b"\x00" in end else b"550", b"221"], codes, end)

    def test_starttls_injection(self) -> None:
        """
        What comes in the same segment as STARTTLS is not there after the handshake.
        """
        for name, hello, start, probe, answer in (
            (
                "smtp",
                b"EHLO me\r\n",
                b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<>\r\n",
                b"RCPT TO:<demo@localhost>\r\n",
                b"503 ",
            ),
            ("submission", b"EHLO me\r\n", b"STARTTLS\r\nEHLO evil\r\n", b"MAIL FROM:<>\r\n", b"5"),
            ("imap", b"", b"a STARTTLS\r\nb NOOP\r\n", b"c NOOP\r\n", b"c OK"),
            ("pop3", b"", b"STLS\r\nUSER demo@localhost\r\n", b"PASS x\r\n", b"-ERR"),
        ):
            client = self.connect(name)
            client.say(hello)
            client.hear(rb"250 .*\r\n" if hello else rb"(\* OK|\+OK) .*\r\n")
            client.say(start)
            client.hear(rb"(220|a OK|\+OK) .*\r\n")
            client.start_tls()
            client.say(probe)
            self.assertTrue(client.hear(rb".*\r\n").startswith(answer), name)

    def test_open_relay(self) -> None:
        """
        Nobody relays through a server that nobody configured, not even from this machine.
        """
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"]) as client:
            client.ehlo("me")
            for number, recipient in enumerate(one for one in SPELLINGS if one.isascii() and "\0" not in one):
                if number % 15 == 0:
                    client.quit()
                    client.connect("127.0.0.1", self.server.ports["smtp"])
                    client.ehlo("me")
                client.mail("evil@elsewhere.test")
                code, text = client.docmd("RCPT", "TO:" + recipient.replace("\n", "").replace("\r", ""))
                self.assertEqual(5, code // 100, (recipient, text))
                client.rset()

    def test_garbage(self) -> None:
        """
        Noise on every port ends or is answered, and the server goes on.
        """
        noise = bytes(range(256)) * 40 + b"\r\n"
        for name in self.server.ports:
            for _ in range(5):
                client = self.connect(name)
                try:
                    client.say(noise)
                    client.socket.shutdown(socket.SHUT_WR)
                    while client.socket.recv(65536):
                        pass
                except OSError:
                    # It has had enough of us before we had said it all.
                    continue
                finally:
                    client.close()
        self.enter()
        self.assertNotIn("Traceback", (self.server.folder / "server.log").read_text())
