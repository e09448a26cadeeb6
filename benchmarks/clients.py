"""
Clients that cost little themselves: while they wait they look only at how an answer ends, and keep the rest for later.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from functools import cached_property

#: Octets that are read at a time.
_PIECE = 1 << 18
#: Octets of an answer's end that are looked at: its last line is in there.
_TAIL = 4096
#: Seconds for any answer.
_PATIENCE = 300

_FETCHED = re.compile(rb"(?m)^\* [0-9]+ FETCH \(")
_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n")


class Answer:
    """
    All that was said to one command.
    """

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    @cached_property
    def text(self) -> bytes:
        """
        As it came; put together only when somebody looks, which is after the clock has stopped.
        """
        return b"".join(self._pieces)

    @property
    def fetched(self) -> int:
        """
        How many FETCH responses are in it.
        """
        return len(_FETCHED.findall(self.text))

    @property
    def found(self) -> int:
        """
        How many numbers its SEARCH response has.
        """
        return len(self.text.partition(b"* SEARCH")[2].partition(b"\r\n")[0].split())

    def literals(self) -> Iterator[bytes]:
        """
        What its literals hold.
        """
        place = 0
        while found := _LITERAL.search(self.text, place):
            place = found.end() + int(found[1])
            yield self.text[found.end() : place]


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

    def command(self, text: bytes) -> Answer:
        """
        What is answered.

        @raise RuntimeError: that is not OK.
        """
        self._count += 1
        tag = b"zq%dx" % self._count
        self.socket.sendall(tag + b" " + text + b"\r\n")
        pieces: list[bytes] = []
        tail, end = b"\r\n", b"\r\n" + tag + b" "
        while end not in tail or not tail.endswith(b"\r\n"):
            piece = self.socket.recv(_PIECE)
            if not piece:
                raise RuntimeError(f"The server hung up at {text[:60]!r}: {tail!r}")
            pieces.append(piece)
            tail = (tail + piece[-_TAIL:])[-_TAIL:]
        if tail.rpartition(end)[2][:2] != b"OK":
            raise RuntimeError(f"To {text[:60]!r} the server said {tail[-200:]!r}")
        return Answer(pieces)

    def messages(self, mailbox: str) -> int:
        """
        How many there are in a mailbox, by STATUS.
        """
        answer = self.command(f"STATUS {mailbox} (MESSAGES)".encode())
        return int(answer.text.split(b"MESSAGES ")[1].split(b")")[0])

    def idle(self) -> None:
        """
        Begin to wait (RFC 2177).
        """
        self.socket.sendall(b"idle IDLE\r\n")
        _expect(self.socket.recv(_PIECE), b"+")

    def append(self, mailbox: str, messages: Sequence[bytes]) -> Answer:
        """
        Several at once (RFC 3502), without asking first (RFC 7888).
        """
        parts = b"".join(b" {%d+}\r\n%b" % (len(one), one) for one in messages)
        return self.command(f"APPEND {mailbox}".encode() + parts)

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


def pop3_session(port: int, person: str, password: str, total: int, messages: Sequence[bytes]) -> None:
    """
    Log in, look what there is, read some, and leave: STAT, UIDL, LIST, RETR.

    @param total: how many there are.
    @param messages: the first of them, which are read.
    @raise RuntimeError: there is something else.
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

        def lines(text: str) -> list[bytes]:
            connection.sendall(text.encode() + b"\r\n")
            _expect(answers.readline(), b"+OK")
            return list(iter(answers.readline, b".\r\n"))

        if not len(lines("UIDL")) == len(lines("LIST")) == total:
            raise RuntimeError(f"There are not {total} messages.")
        for number, message in enumerate(messages, 1):
            if b"".join(lines(f"RETR {number}")) != message:
                raise RuntimeError(f"Message {number} is another one.")
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


def send_many(port: int, recipients: Sequence[str], sessions: int, messages: int, octets: int = 2048) -> None:
    """
    Postfix's C{smtp-source}, one process for each recipient: C{messages} in all, over connections that stay (C{-d}).  It gives up
    at the first reply that it does not like.

    @param octets: of each body.
    @raise RuntimeError: it gave up.
    """
    share = len(recipients)
    sources = [
        subprocess.Popen(
            [
                *("/usr/sbin/smtp-source", "-d", "-s", str(sessions // share), "-m", str(messages // share)),
                *("-l", str(octets), "-f", "a@example.net", "-t", recipient, f"127.0.0.1:{port}"),
            ]
        )
        for recipient in recipients
    ]
    if any([source.wait() for source in sources]):  # noqa: C419 - each of them is waited for
        raise RuntimeError("smtp-source failed.")


def _expect(answer: bytes, wanted: bytes) -> None:
    if not answer.startswith(wanted):
        raise RuntimeError(f"The server said {answer!r}.")
