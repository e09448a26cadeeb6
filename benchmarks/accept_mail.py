"""
Durable SMTP in to readable mailbox, ours alone: messages a second, and CPU of the server for each.

C{python -m benchmarks.accept_mail [--messages N] [--rounds N] [--profile FILE] [SESSIONS ...]}
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.incoming import READERS, reading
from benchmarks.recording import Recording, Summary, recording
from benchmarks.servers import DOMAIN, Ours, running
from twisted_mail_server.model.limits import TRANSACTIONS_PER_SESSION

#: 2 KiB with its header.
MESSAGE = b"Subject: x\r\nFrom: a@example.net\r\n\r\n" + (b"x" * 70 + b"\r\n") * 28


def main() -> None:
    """
    Some rounds for each number of sessions; the medians, and the least CPU.
    """
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.accept_mail")
    arguments.add_argument(
        "sessions", nargs="*", type=int, metavar="SESSIONS", help="at a time: 1, 10 and 50 without any"
    )
    arguments.add_argument("--messages", type=int, default=3000, help="in one round, of all sessions")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--profile", metavar="FILE", type=Path, help="write collapsed stacks (needs py-spy) there")
    arguments.add_argument("--folder", default="/var/tmp", help="on a real disk")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-accept-", dir=given.folder) as folder:
        ours = Ours(Path(folder) / "ours", READERS)
        with running(ours), _perhaps_recording(ours, given.profile):
            for sessions in given.sessions or (1, 10, 50):
                rounds = [one_round(ours, sessions, given.messages // sessions) for _ in range(given.rounds)]
                accepted, readable, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
                print(
                    f"{sessions:3d} sessions: accepted {accepted:,.0f}/s, readable {readable:,.0f}/s; CPU {cpu:,.0f} us a message,"
                    f" at least {min(one[2] for one in rounds):,.0f}",
                    flush=True,
                )


@contextlib.contextmanager
def _perhaps_recording(ours: Ours, place: Path | None) -> Iterator[None]:
    if place is None:
        yield
        return
    # The first messages make mailboxes and open files.
    one_round(ours, len(READERS), 10)
    found: Recording
    with recording(ours.process_id) as found:
        yield
    place.write_text(found.text)
    print(f"{place}: {Summary.of(found).heaviest_rooms(8)}")


def one_round(ours: Ours, sessions: int, messages: int) -> tuple[float, float, float]:
    """
    Accepted and readable a second, and microseconds of CPU a message.

    @param messages: of each session.
    """
    total = sessions * messages
    with reading(ours, READERS) as count:

        def arrived() -> int:
            return sum(count(person) for person in range(len(READERS)))

        before, used = arrived(), ours.cpu()
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(sessions) as pool:
            list(pool.map(lambda one: send(ours.ports["smtp"], one, messages), range(sessions)))
        accepted = time.monotonic() - start
        while (now := arrived()) < before + total:
            if time.monotonic() - start > accepted + 60:
                raise RuntimeError(f"{now - before} messages of {total} arrived.")
            time.sleep(0.01)
        readable = time.monotonic() - start
        return total / accepted, total / readable, (ours.cpu() - used) / total * 1e6


def send(port: int, number: int, messages: int) -> None:
    """
    One session: pipelined envelopes, one message after the other, over as few connections as the server lets it.
    """
    for start in range(0, messages, TRANSACTIONS_PER_SESSION):
        _send(port, number, min(TRANSACTIONS_PER_SESSION, messages - start))


def _send(port: int, number: int, messages: int) -> None:
    recipient = f"{READERS[number % len(READERS)]}@{DOMAIN}".encode()
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as replies:
        replies.readline()
        connection.sendall(b"EHLO client.example\r\n")
        while replies.readline()[3:4] != b" ":
            pass
        for _ in range(messages):
            connection.sendall(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<%b>\r\nDATA\r\n" % recipient)
            for wanted in (b"250", b"250", b"354"):
                _expect(replies.readline(), wanted)
            connection.sendall(MESSAGE + b".\r\n")
            _expect(replies.readline(), b"250")


def _expect(reply: bytes, wanted: bytes) -> None:
    if reply[:3] != wanted:
        raise RuntimeError(f"The server said {reply!r}.")


if __name__ == "__main__":
    main()
