"""
Clients that cost little themselves: they look only at how an answer ends.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence

#: Octets that are read at a time.
_PIECE = 1 << 18
#: Octets of an answer's end that are kept: its last line is in there.
_TAIL = 4096
#: Seconds for any answer.
_PATIENCE = 300


class Imap:
    """
    One IMAP connection.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = plain if tls is None else tls.wrap_socket(plain)
        self._count = 0
        self.socket.recv(_PIECE)

    def log_in(self, person: str, password: str) -> None:
        """
        With LOGIN.
        """
        self.command(f'LOGIN "{person}" "{password}"'.encode())

    def command(self, text: bytes) -> bytes:
        """
        The end of what is answered.

        @raise RuntimeError: that is not OK.
        """
        self._count += 1
        tag = b"zq%dx" % self._count
        self.socket.sendall(tag + b" " + text + b"\r\n")
        found, end = b"\r\n", b"\r\n" + tag + b" "
        while end not in found or not found.endswith(b"\r\n"):
            piece = self.socket.recv(_PIECE)
            if not piece:
                raise RuntimeError(f"The server hung up at {text[:60]!r}: {found!r}")
            found = (found + piece)[-_TAIL:]
        if found.rpartition(end)[2][:2] != b"OK":
            raise RuntimeError(f"To {text[:60]!r} the server said {found[-200:]!r}")
        return found

    def idle(self) -> None:
        """
        Begin to wait (RFC 2177).
        """
        self.socket.sendall(b"idle IDLE\r\n")
        self.socket.recv(_PIECE)

    def append(self, mailbox: str, messages: Sequence[bytes]) -> None:
        """
        Several at once (RFC 3502), without asking first (RFC 7888).
        """
        self.command(f"APPEND {mailbox}".encode() + b"".join(b" {%d+}\r\n%b" % (len(one), one) for one in messages))

    def close(self) -> None:
        """
        Hang up.
        """
        self.socket.close()


@contextlib.contextmanager
def imap(port: int, person: str, password: str) -> Iterator[Imap]:
    """
    A connection that has logged in.
    """
    client = Imap(port)
    try:
        client.log_in(person, password)
        yield client
    finally:
        client.close()


def pop3_session(port: int, person: str, password: str, messages: int) -> None:
    """
    Log in, look what there is, read some, and leave: STAT, UIDL, LIST, RETR.
    """
    with (
        socket.create_connection(("127.0.0.1", port), _PATIENCE) as connection,
        connection.makefile("rb", _PIECE) as answers,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _expect(answers.readline(), b"+OK")
        for text in (f"USER {person}", f"PASS {password}", "STAT"):
            connection.sendall(text.encode() + b"\r\n")
            _expect(answers.readline(), b"+OK")
        for text in ("UIDL", "LIST", *(f"RETR {number}" for number in range(1, messages + 1))):
            connection.sendall(text.encode() + b"\r\n")
            _expect(answers.readline(), b"+OK")
            while answers.readline() != b".\r\n":
                pass
        connection.sendall(b"QUIT\r\n")
        _expect(answers.readline(), b"+OK")


def send_one(port: int, recipients: Sequence[str], content: bytes) -> None:
    """
    One message to many, its recipients in one burst.
    """
    with socket.create_connection(("127.0.0.1", port), _PATIENCE) as connection, connection.makefile("rb") as answers:
        _expect(answers.readline(), b"220")
        connection.sendall(b"EHLO client.example\r\n")
        while answers.readline()[3:4] != b" ":
            pass
        lines = ["MAIL FROM:<a@example.net>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"]
        connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
        for _ in lines[:-1]:
            _expect(answers.readline(), b"250")
        _expect(answers.readline(), b"354")
        connection.sendall(content + b".\r\n")
        _expect(answers.readline(), b"250")
        connection.sendall(b"QUIT\r\n")
        _expect(answers.readline(), b"221")


def send_many(port: int, recipients: Sequence[str], sessions: int, messages: int) -> None:
    """
    Postfix's C{smtp-source}: C{messages} of 2 KiB in all, over connections that stay.
    """
    share = len(recipients)
    sources = [
        subprocess.Popen(
            [
                *("/usr/sbin/smtp-source", "-d", "-s", str(sessions // share), "-m", str(messages // share)),
                *("-l", "2048", "-f", "a@example.net", "-t", recipient, f"127.0.0.1:{port}"),
            ]
        )
        for recipient in recipients
    ]
    for source in sources:
        if source.wait():
            raise RuntimeError("smtp-source failed.")


def _expect(answer: bytes, wanted: bytes) -> None:
    if not answer.startswith(wanted):
        raise RuntimeError(f"The server said {answer!r}.")
