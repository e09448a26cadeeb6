"""
Mail that comes in, and mail that goes out.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.clients import Imap, imap, send_many, send_one
from benchmarks.measuring import Figures, Metric, Result, alternate
from benchmarks.messages import message
from benchmarks.servers import DOMAIN, PASSWORD, Ours, Postfix, Sink, free_port, running

#: Who gets the mail of many sessions.
READERS = [f"u{number}" for number in range(5)]
#: And who gets that one message, and how often.
CROWD, CROWDED = [f"c{number}" for number in range(200)], 10
MESSAGES = 3000
RELAYED = 2000
ENGINE_MESSAGES = 5_000
#: Of a message's body.
OCTETS = 2048

_SIZE = re.compile(rb"RFC822\.SIZE ([0-9]+)")

#: How many messages somebody, by number, can read.
Count = Callable[[int], int]


def accepting(folder: Path, rounds: int) -> list[Result]:
    """
    Durable SMTP in to readable mailbox: 2 KiB, from the first connection until the last message can be read.
    """
    results: list[Result] = []
    with both(folder) as (ours, theirs), reading(ours, READERS) as arrived:
        for sessions in (10, 50):
            metrics = [
                Metric(f"accept-{sessions}", f"SMTP in to readable, {sessions} sessions", "messages/s", 2),
                Metric(f"accept-{sessions}-cpu", f"its CPU, {sessions} sessions", "us a message", None, is_cost=True),
            ]
            results += alternate(
                metrics,
                partial(accept_once, ours, arrived, sessions),
                partial(accept_once, theirs, theirs.arrived, sessions),
                theirs.name,
                rounds,
            )
        wanted = 2 * rounds * MESSAGES // len(READERS)
        _check_sizes("ours", [_sizes(ours, one) for one in READERS], wanted)
        sizes = [[one.stat().st_size for one in theirs.inbox(person)] for person in range(len(READERS))]
        _check_sizes(theirs.name, sizes, wanted)
    return results


def accept_once(server: Ours | Postfix, count: Count, sessions: int, _: int = 0) -> Figures:
    """
    Three thousand of them.
    """
    wanted, used, start = count(0) + MESSAGES // len(READERS), server.cpu(), time.monotonic()
    send_many(server.ports["smtp"], [f"{one}@{DOMAIN}" for one in READERS], sessions, MESSAGES, OCTETS)
    _wait_until(count, len(READERS), wanted)
    seconds = time.monotonic() - start
    name = f"accept-{sessions}"
    return {name: MESSAGES / seconds, f"{name}-cpu": (server.cpu() - used) / MESSAGES * 1e6}


def crowd(folder: Path, rounds: int) -> list[Result]:
    """
    One message to 200 people: from the first connection until all can read it.
    """
    with both(folder, CROWD) as (ours, theirs), reading(ours, CROWD) as arrived:
        # The first message makes mailboxes and opens files.
        crowd_once(ours, arrived)
        crowd_once(theirs, theirs.arrived)
        results = alternate(
            [Metric("crowd", "one message to 200 recipients", "copies/s", 3)],
            lambda _: crowd_once(ours, arrived),
            lambda _: crowd_once(theirs, theirs.arrived),
            theirs.name,
            rounds,
        )
        wanted = (rounds + 1) * CROWDED
        _check_sizes("ours", [_sizes(ours, one) for one in CROWD[::20]], wanted, len(message(1)))
        sizes = [[one.stat().st_size for one in theirs.inbox(person)] for person in range(0, len(CROWD), 20)]
        _check_sizes(theirs.name, sizes, wanted, len(message(1).replace(b"\r", b"")))
    return results


def crowd_once(server: Ours | Postfix, count: Count) -> Figures:
    """
    Ten messages, one after the other.
    """
    wanted, start = count(0) + CROWDED, time.monotonic()
    for _ in range(CROWDED):
        send_one(server.ports["smtp"], [f"{one}@{DOMAIN}" for one in CROWD], message(1))
    _wait_until(count, len(CROWD), wanted)
    return {"crowd": CROWDED * len(CROWD) / (time.monotonic() - start)}


def relaying(folder: Path, rounds: int) -> list[Result]:
    """
    In from a trusted client and out to C{smtp-sink}, until it has the last message; ten sessions in.
    """
    sink_port = free_port()
    with both(folder, READERS, sink_port) as (ours, theirs):
        return alternate(
            [
                Metric("relay", "relay out into smtp-sink", "messages/s", 1),
                Metric("relay-cpu", "its CPU", "us a message", None, is_cost=True),
            ],
            lambda _: relay_once(ours, sink_port),
            lambda _: relay_once(theirs, sink_port),
            theirs.name,
            rounds,
        )


def relay_once(server: Ours | Postfix, sink_port: int) -> Figures:
    """
    Two thousand of them: the sink ends when it has had that many.
    """
    sink = ["/usr/sbin/smtp-sink", "-u", "nobody", "-M", str(RELAYED), f"127.0.0.1:{sink_port}", "1000"]
    with subprocess.Popen(sink) as process:
        time.sleep(0.5)
        used, start = server.cpu(), time.monotonic()
        send_many(server.ports["submission"], [f"{one}@example.net" for one in READERS], 10, RELAYED, OCTETS)
        process.wait(300)
        seconds = time.monotonic() - start
    return {"relay": RELAYED / seconds, "relay-cpu": (server.cpu() - used) / RELAYED * 1e6}


def engine(folder: Path, rounds: int) -> list[Result]:
    """
    SMTP alone, both into nothing: CPU of the process for a message of 2 KiB, ten sessions.
    """
    ours, theirs = Sink(folder / "ours", "ours"), Sink(folder / "theirs", "aiosmtpd")
    with running(ours, theirs):
        results = alternate(
            [Metric("engine", "SMTP engine, CPU", "us a message", 3, is_cost=True)],
            lambda _: engine_once(ours),
            lambda _: engine_once(theirs),
            theirs.name,
            rounds,
        )
    for server in (ours, theirs):
        messages, octets = server.tally()
        if messages != rounds * ENGINE_MESSAGES or octets < messages * OCTETS:
            raise RuntimeError(f"{server.name} was given {messages} messages of {octets} octets.")
    return results


def engine_once(server: Sink) -> Figures:
    """
    Five thousand of them.
    """
    used = server.cpu()
    send_many(server.ports["smtp"], ["u0@example.org"], 10, ENGINE_MESSAGES, OCTETS)
    return {"engine": (server.cpu() - used) / ENGINE_MESSAGES * 1e6}


def our_settings(sink_port: int = 25) -> str:
    """
    What is set for mail of trusted clients; as many connections to one place as Postfix has.
    """
    return (
        f'[relay]\nsmarthost = "127.0.0.1:{sink_port}"\nsmarthost_tls = "off"\nconnections_per_destination = 20\n'
        '[submission]\ntrusted_networks = ["127.0.0.0/8"]\nrecipients_per_hour = 0\n'
    )


@contextlib.contextmanager
def both(folder: Path, people: list[str] = READERS, sink_port: int = 25) -> Iterator[tuple[Ours, Postfix]]:
    """
    Ours and Postfix, running.
    """
    ours, theirs = Ours(folder / "ours", people, our_settings(sink_port)), Postfix(folder / "theirs", people, sink_port)
    with running(ours, theirs):
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
        yield lambda person: clients[person].messages("INBOX")
    finally:
        for client in clients:
            client.close()


def _sizes(ours: Ours, person: str) -> list[int]:
    """
    Of somebody's messages.
    """
    with imap(ours.ports["imap"], f"{person}@{DOMAIN}", PASSWORD) as client:
        client.command(b"EXAMINE INBOX")
        return [int(size) for size in _SIZE.findall(client.command(b"FETCH 1:* (RFC822.SIZE)").text)]


def _check_sizes(name: str, inboxes: list[list[int]], wanted: int, octets: int = OCTETS) -> None:
    """
    @raise RuntimeError: somebody has more or fewer messages than were sent, or one that is not whole.
    """
    for sizes in inboxes:
        if len(sizes) != wanted or min(sizes) < octets:
            raise RuntimeError(
                f"{name}: {len(sizes)} messages of {wanted}, the least of {min(sizes, default=0)} octets."
            )


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
