"""
Two servers on one data directory: what happens in a session of one is told in the sessions of the other, at once and in order.
"""

from __future__ import annotations

import re
import select
import smtplib
import socket
import time
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.server import PATIENCE, SETTINGS, Server

ANN, PASSWORD = "ann@example.org", "correct horse battery"


class Session:
    """
    An IMAP session on a socket.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._octets = b""
        self._count = 0
        self.until("* OK")
        self.do(f'LOGIN {ANN} "{PASSWORD}"')
        self.do("ENABLE QRESYNC")
        self.do("SELECT INBOX")

    def until(self, *wanted: str) -> list[str]:
        """
        What the server says, up to responses that begin like C{wanted}, which come in this order.

        @raise TimeoutError: they do not come.
        """
        deadline = time.monotonic() + PATIENCE
        left, heard = list(wanted), list[str]()
        while left:
            while b"\r\n" in self._octets:
                line, _, self._octets = self._octets.partition(b"\r\n")
                heard.append(line.decode())
                if left and heard[-1].startswith(left[0]):
                    del left[0]
            if left:
                if not select.select([self._socket], [], [], max(deadline - time.monotonic(), 0))[0]:
                    raise TimeoutError(f"{left} did not come, but {heard}.")
                self._octets += self._socket.recv(65536)
        return heard

    def say(self, command: str) -> str:
        """
        Send a command; its tag.
        """
        self._count += 1
        self.send(f"t{self._count} {command}")
        return f"t{self._count}"

    def send(self, line: str) -> None:
        """
        Send a line.
        """
        self._socket.sendall(line.encode() + b"\r\n")

    def do(self, command: str) -> list[str]:
        """
        Do a command; what was said up to its end.
        """
        heard = self.until(f"{self.say(command)} ")
        assert heard[-1].split()[1] == "OK", heard
        return heard

    def close(self) -> None:
        """
        Hang up.
        """
        self._socket.close()


class TwoServersTests(SynchronousTestCase):
    """
    Each with sessions of one account.
    """

    def setUp(self) -> None:
        """
        Start both.
        """
        folder = Path(self.mktemp()).resolve()
        shared = f'data_dir = "{folder}/data"\n{SETTINGS}'
        self.servers = []
        for name in ("one", "two"):
            (folder / name).mkdir(parents=True)
            self.servers.append(Server(str(folder / name), shared))
            self.addCleanup(self.servers[-1].kill)
        self.servers[0].add_account(ANN, PASSWORD)
        for server in self.servers:
            server.start()
        self.here, self.there = (Session(server.ports["imap"]) for server in self.servers)
        self.addCleanup(self.here.close)
        self.addCleanup(self.there.close)

    def deliver(self, server: Server) -> None:
        """
        Send Ann a message.
        """
        with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
            client.sendmail("bob@example.net", [ANN], b"Subject: one\r\n\r\nBody.\r\n")

    def test_idle(self) -> None:
        """
        Deliveries, APPEND, STORE, UID EXPUNGE and MOVE on either side are told to who idles on the other.
        """
        took = self.tell_idler(self.here, self.there, self.servers[0])
        took += self.tell_idler(self.there, self.here, self.servers[1])
        print(f"news between two servers, milliseconds: {'; '.join(took)}")

    def tell_idler(self, doing: Session, listening: Session, server: Server) -> list[str]:
        """
        One side acts, the other idles; how long it took until each news was there.
        """
        tag = listening.say("IDLE")
        listening.until("+ ")
        uid = self.uidnext(doing)
        took: list[str] = []

        def hears(what: str, act: Callable[[], object], *wanted: str) -> None:
            doing.do("NOOP")
            before = time.perf_counter()
            act()
            listening.until(*wanted)
            took.append(f"{what} {1000 * (time.perf_counter() - before):.1f}")

        hears("delivery", lambda: self.deliver(server), "* 1 EXISTS")
        hears("APPEND", lambda: doing.do("APPEND INBOX {6+}\r\na: b\r\n"), "* 2 EXISTS")
        marked = [f"* {number} FETCH (UID {uid + number - 1} FLAGS (\\Deleted" for number in (1, 2)]
        hears("STORE", lambda: doing.do(f"UID STORE {uid}:* +FLAGS (\\Deleted)"), *marked)
        hears("UID EXPUNGE", lambda: doing.do(f"UID EXPUNGE {uid}"), f"* VANISHED {uid}")
        hears("MOVE", lambda: doing.do(f"UID MOVE {uid + 1} Trash"), f"* VANISHED {uid + 1}")
        listening.send("DONE")
        listening.until(f"{tag} OK")
        return took

    def uidnext(self, session: Session) -> int:
        """
        The UID that comes next.
        """
        found = re.search(r"UIDNEXT ([0-9]+)", session.do("STATUS INBOX (UIDNEXT)")[-2])
        assert found is not None
        return int(found[1])

    def test_next_command(self) -> None:
        """
        Who does not idle is told with the next command, of everything and in order.
        """
        for doing, listening in ((self.here, self.there), (self.there, self.here)):
            uid = self.uidnext(doing)
            doing.do("APPEND INBOX {6+}\r\na: b\r\n")
            self.assertEqual("* 1 EXISTS", listening.do("NOOP")[0])
            doing.do(f"UID STORE {uid} +FLAGS.SILENT (\\Flagged)")
            doing.do("APPEND INBOX {6+}\r\na: b\r\n")
            listening.until("* 2 EXISTS", f"* 1 FETCH (UID {uid} FLAGS (\\Flagged", f"{listening.say('NOOP')} OK")
            doing.do(f"UID MOVE {uid}:* Trash")
            self.assertEqual(f"* VANISHED {uid}:{uid + 1}", listening.do("NOOP")[0])
