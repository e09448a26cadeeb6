"""
Mail that comes in, and mail that goes out.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.clients import Imap, send_many, send_one
from benchmarks.measuring import Figures, Metric, Result, alternate
from benchmarks.messages import message
from benchmarks.servers import DOMAIN, PASSWORD, Ours, Postfix, Sink, free_port

#: Who gets the mail of many sessions.
READERS = [f"u{number}" for number in range(5)]
#: And who gets that one message.
CROWD = [f"c{number}" for number in range(200)]
MESSAGES = 3000
RELAYED = 2000
ENGINE_MESSAGES = 5_000

#: How many messages somebody, by number, can read.
Count = Callable[[int], int]


def accepting(folder: Path, rounds: int) -> list[Result]:
    """
    Durable SMTP in to readable mailbox: 2 KiB, from the first connection until the last message can be read.
    """
    results: list[Result] = []
    with both(folder) as (ours, theirs), reading(ours, READERS) as arrived:

        def measure(server: Ours | Postfix, count: Count, sessions: int, _: int) -> Figures:
            wanted, used, start = count(0) + MESSAGES // len(READERS), server.cpu(), time.monotonic()
            send_many(server.ports["smtp"], [f"{one}@{DOMAIN}" for one in READERS], sessions, MESSAGES)
            _wait_until(count, len(READERS), wanted)
            seconds = time.monotonic() - start
            name = f"accept-{sessions}"
            return {name: MESSAGES / seconds, f"{name}-cpu": (server.cpu() - used) / MESSAGES * 1e6}

        for sessions in (10, 50):
            metrics = [
                Metric(f"accept-{sessions}", f"SMTP in to readable, {sessions} sessions", "messages/s", 2),
                Metric(f"accept-{sessions}-cpu", f"its CPU, {sessions} sessions", "us a message", None, is_cost=True),
            ]
            results += alternate(
                metrics,
                partial(measure, ours, arrived, sessions),
                partial(measure, theirs, theirs.arrived, sessions),
                theirs.name,
                rounds,
            )
    return results


def crowd(folder: Path, rounds: int) -> list[Result]:
    """
    One message to 200 people: from the first connection until all can read it.
    """
    with both(folder, CROWD) as (ours, theirs), reading(ours, CROWD) as arrived:

        def measure(server: Ours | Postfix, count: Count) -> Figures:
            wanted, start = count(0) + 10, time.monotonic()
            for _ in range(10):
                send_one(server.ports["smtp"], [f"{one}@{DOMAIN}" for one in CROWD], message(1))
            _wait_until(count, len(CROWD), wanted)
            return {"crowd": 10 * len(CROWD) / (time.monotonic() - start)}

        # The first message makes mailboxes and opens files.
        measure(ours, arrived)
        measure(theirs, theirs.arrived)
        return alternate(
            [Metric("crowd", "one message to 200 recipients", "copies/s", 3)],
            lambda _: measure(ours, arrived),
            lambda _: measure(theirs, theirs.arrived),
            theirs.name,
            rounds,
        )


def relaying(folder: Path, rounds: int) -> list[Result]:
    """
    In from a trusted client and out to C{smtp-sink}, until it has the last message; ten sessions in.
    """
    sink_port = free_port()
    with both(folder, READERS, sink_port) as (ours, theirs):

        def measure(server: Ours | Postfix) -> Figures:
            sink = ["/usr/sbin/smtp-sink", "-u", "nobody", "-M", str(RELAYED), f"127.0.0.1:{sink_port}", "1000"]
            with subprocess.Popen(sink) as process:
                time.sleep(0.5)
                used, start = server.cpu(), time.monotonic()
                send_many(server.ports["submission"], [f"{one}@example.net" for one in READERS], 10, RELAYED)
                process.wait(300)
                seconds = time.monotonic() - start
            return {"relay": RELAYED / seconds, "relay-cpu": (server.cpu() - used) / RELAYED * 1e6}

        return alternate(
            [
                Metric("relay", "relay out into smtp-sink", "messages/s", 1),
                Metric("relay-cpu", "its CPU", "us a message", None, is_cost=True),
            ],
            lambda _: measure(ours),
            lambda _: measure(theirs),
            theirs.name,
            rounds,
        )


def engine(folder: Path, rounds: int) -> list[Result]:
    """
    SMTP alone, both into nothing: CPU of the process for a message of 2 KiB, ten sessions.
    """
    ours, theirs = Sink(folder / "ours", "ours"), Sink(folder / "theirs", "aiosmtpd")

    def measure(server: Sink) -> Figures:
        used = server.cpu()
        send_many(server.ports["smtp"], ["u0@example.org"], 10, ENGINE_MESSAGES)
        return {"engine": (server.cpu() - used) / ENGINE_MESSAGES * 1e6}

    with contextlib.ExitStack() as stack:
        for server in (ours, theirs):
            stack.callback(server.stop)
            server.start()
        return alternate(
            [Metric("engine", "SMTP engine, CPU", "us a message", 3, is_cost=True)],
            lambda _: measure(ours),
            lambda _: measure(theirs),
            theirs.name,
            rounds,
        )


@contextlib.contextmanager
def both(folder: Path, people: list[str] = READERS, sink_port: int = 0) -> Iterator[tuple[Ours, Postfix]]:
    """
    Ours and Postfix, running.
    """
    # As many connections to one place as Postfix has.
    more = (
        f'[relay]\nsmarthost = "127.0.0.1:{sink_port or 25}"\nsmarthost_tls = "off"\nconnections_per_destination = 20\n'
        '[submission]\ntrusted_networks = ["127.0.0.0/8"]\nrecipients_per_hour = 0\n'
    )
    ours, theirs = Ours(folder / "ours", people, more), Postfix(folder / "theirs", people, sink_port or 25)
    with contextlib.ExitStack() as stack:
        for server in (ours, theirs):
            stack.callback(server.stop)
            server.start()
        yield ours, theirs


@contextlib.contextmanager
def reading(ours: Ours, people: list[str]) -> Iterator[Count]:
    """
    How many messages people can read, asked over IMAP connections that stay.
    """
    clients: list[Imap] = []
    try:
        for one in people:
            clients.append(Imap(ours.ports["imap"]))
            clients[-1].log_in(f"{one}@{DOMAIN}", PASSWORD)
        yield lambda person: _messages(clients[person])
    finally:
        for client in clients:
            client.close()


def _messages(client: Imap) -> int:
    return int(client.command(b"STATUS INBOX (MESSAGES)").split(b"MESSAGES ")[1].split(b")")[0])


def _wait_until(count: Count, people: int, wanted: int) -> None:
    """
    Each has so many messages; asked one after the other, so that asking costs little.
    """
    deadline = time.monotonic() + 300
    for person in range(people):
        while count(person) < wanted:
            if time.monotonic() > deadline:
                raise RuntimeError("Mail did not arrive.")
            time.sleep(0.01)
