"""
Durable SMTP in to readable mailbox: messages a second, and CPU of the server for each.
"""

from __future__ import annotations

import imaplib
import os
import socket
import statistics
import sys
import tempfile
import threading
import time

from tests.support.server import Server

ACCOUNTS = 5
PASSWORD = "correct horse battery"
ROUNDS = 3
#: 2 KiB with its header.
MESSAGE = b"Subject: x\r\nFrom: a@example.net\r\n\r\n" + (b"x" * 70 + b"\r\n") * 28


def main() -> None:
    """
    Some rounds; the medians.
    """
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    messages = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        for number in range(ACCOUNTS):
            server.add_account(f"u{number}@example.org", PASSWORD)
        server.start()
        try:
            rounds = [one_round(server, sessions, messages) for _ in range(ROUNDS)]
        finally:
            server.stop()
    accepted, readable, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{sessions} sessions of {messages} messages, {len(MESSAGE)} octets each, median of {ROUNDS} rounds:")
    print(f"accepted {accepted:.0f}/s, readable {readable:.0f}/s, server CPU {cpu:.0f} us a message")


def one_round(server: Server, sessions: int, messages: int) -> tuple[float, float, float]:
    """
    Accepted and readable a second, and microseconds of CPU a message.
    """
    before, used = _arrived(server), _cpu(server)
    start = time.monotonic()
    threads = [threading.Thread(target=send, args=(server.ports["smtp"], one, messages)) for one in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = time.monotonic() - start
    total = sessions * messages
    # Logins are no part of what is measured: they come when the work is probably done.
    while _arrived(server) < before + total:
        time.sleep(0.01)
    readable = time.monotonic() - start
    return total / accepted, total / readable, (_cpu(server) - used) / total * 1e6


def send(port: int, number: int, messages: int) -> None:
    """
    One session: pipelined envelopes, one message after the other.
    """
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as replies:
        replies.readline()
        connection.sendall(b"EHLO client.example\r\n")
        while replies.readline()[3:4] != b" ":
            pass
        for _ in range(messages):
            connection.sendall(
                b"MAIL FROM:<a@example.net>\r\nRCPT TO:<u%d@example.org>\r\nDATA\r\n" % (number % ACCOUNTS)
            )
            for wanted in (b"250", b"250", b"354"):
                _expect(replies.readline(), wanted)
            connection.sendall(MESSAGE + b".\r\n")
            _expect(replies.readline(), b"250")


def _expect(reply: bytes, wanted: bytes) -> None:
    if reply[:3] != wanted:
        raise SystemExit(f"The server said {reply!r}.")


def _arrived(server: Server) -> int:
    total = 0
    for number in range(ACCOUNTS):
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
            client.login(f"u{number}@example.org", PASSWORD)
            answer = client.status("INBOX", "(MESSAGES)")[1][0]
            total += int(answer.split()[-1].rstrip(b")"))
    return total


def _cpu(server: Server) -> float:
    assert server.process is not None
    with open(f"/proc/{server.process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
