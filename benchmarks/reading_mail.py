"""
People and their mail: IMAP on a large mailbox, POP3, connections that wait.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import resource
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.clients import Imap, imap, pop3_session, send_one
from benchmarks.mailbox_work import LARGE, WORKS, fill, make_few
from benchmarks.measuring import Figures, Metric, Result, against_bound, alternate
from benchmarks.messages import batches, message
from benchmarks.servers import DOMAIN, PASSWORD, Dovecot, Ours, running

#: Accounts that log in for the first time in one round.
NEWCOMERS = 10
IDLE = 1000
#: Who reads mail by POP3, how much of it there is, and how often they come in one round.
READERS = [f"u{number}" for number in range(4)]
IN_INBOX = 100
VISITS = 40


def imap_on_10000(folder: Path, rounds: int, mail_format: str) -> list[Result]:
    """
    One connection, a mailbox of 10,000, new in every round.
    """
    people = ["u0", *(f"n{number}" for number in range(NEWCOMERS * rounds))]
    with both(folder, people, mail_format) as (ours, theirs):
        for server in (ours, theirs):
            with imap(server.ports["imap"], f"u0@{DOMAIN}", PASSWORD) as client:
                make_few(client)
        return alternate(
            [
                Metric("append-100", "APPEND, 100 at a time", "messages/s", None),
                *(Metric(work.name, work.title, work.unit, 1) for work in WORKS),
                Metric("status-cpu", "its CPU", "us a mailbox", None, is_cost=True),
                Metric("login", "LOGIN, first", "logins/s", 1),
                Metric("login-again", "LOGIN, again", "logins/s", 1),
            ],
            partial(_imap_round, ours),
            partial(_imap_round, theirs),
            f"Dovecot, {mail_format}",
            rounds,
        )


def _imap_round(server: Ours | Dovecot, number: int) -> Figures:
    port, box = server.ports["imap"], f"large{number}"
    figures: dict[str, float] = {}
    with imap(port, f"u0@{DOMAIN}", PASSWORD) as client:
        client.command(f"CREATE {box}".encode())
        figures["append-100"] = LARGE / _seconds(lambda: list(fill(client, box)))
    with imap(port, f"u0@{DOMAIN}", PASSWORD) as client:
        client.command(f"SELECT {box}".encode())
        for work in WORKS:
            used = server.cpu()
            figures[work.name] = work.measure(client, box)
            if work.name == "status":
                figures["status-cpu"] = (server.cpu() - used) / (work.amount * work.times) * 1e6
        for name in (box, f"{box}copied", f"{box}moved"):
            client.command(f"DELETE {name}".encode())
    newcomers = [f"n{one}@{DOMAIN}" for one in range(number * NEWCOMERS, (number + 1) * NEWCOMERS)]
    figures["login"] = NEWCOMERS / _seconds(lambda: log_in(port, newcomers))
    figures["login-again"] = NEWCOMERS / _seconds(lambda: log_in(port, newcomers))
    return figures


def log_in(port: int, people: Iterable[str]) -> None:
    """
    One after the other.
    """
    for person in people:
        with imap(port, person, PASSWORD):
            pass


def pop3(folder: Path, rounds: int, mail_format: str) -> list[Result]:
    """
    Four clients at a time, a mailbox of 100 each, of which they read 20.

    Ours remembers for a while who has logged in, Dovecot cannot: it is measured a second time with passwords as they are.
    """
    results: list[Result] = []
    quick = Dovecot(folder / "quick", READERS, mail_format, hashes=False)
    with both(folder, READERS, mail_format) as (ours, theirs), running(quick):
        for server in (ours, theirs, quick):
            fill_inboxes(server.ports["imap"])

        def measure(server: Ours | Dovecot, name: str, _: int) -> Figures:
            used, start = server.cpu(), time.monotonic()
            total = pop3_sessions(server.ports["pop3"])
            seconds = time.monotonic() - start
            return {name: total / seconds, f"{name}-cpu": (server.cpu() - used) / total * 1e6}

        for peer, name, title in (
            (theirs, "pop3", "POP3 sessions"),
            (quick, "pop3-quick", "POP3 sessions without hashes"),
        ):
            results += alternate(
                [
                    Metric(name, title, "sessions/s", 1),
                    Metric(f"{name}-cpu", "their CPU", "us a session", None, is_cost=True),
                ],
                partial(measure, ours, name),
                partial(measure, peer, name),
                f"Dovecot, {mail_format}",
                rounds,
            )
    return results


def fill_inboxes(port: int) -> None:
    """
    What those clients are going to find.
    """
    for one in READERS:
        with imap(port, f"{one}@{DOMAIN}", PASSWORD) as client:
            client.append("INBOX", [message(number) for number in range(IN_INBOX)])


def pop3_sessions(port: int) -> int:
    """
    Each client comes 40 times; how many sessions that were.
    """
    read = [message(number) for number in range(20)]

    def one_person(person: str) -> None:
        for _ in range(VISITS):
            pop3_session(port, f"{person}@{DOMAIN}", PASSWORD, IN_INBOX, read)

    with concurrent.futures.ThreadPoolExecutor(len(READERS)) as pool:
        list(pool.map(one_person, READERS))
    return VISITS * len(READERS)


def idling(folder: Path, mail_format: str) -> list[Result]:
    """
    1,000 connections with TLS that wait for news of INBOX; memory of all processes for each.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with both(folder, ["u0"], mail_format) as (ours, theirs):
        found = [_idle_memory(server) for server in (ours, theirs)]
    return [
        against_bound(
            Metric("idle", f"{IDLE} idle IMAP+TLS connections", "KiB each", 1, is_cost=True), found[:1], 60, "bound"
        ),
        Result(
            Metric("idle-peer", "the same", "KiB each", None, is_cost=True),
            f"Dovecot, {mail_format}",
            found[:1],
            found[1:],
        ),
    ]


def _idle_memory(server: Ours | Dovecot) -> float:
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    clients: list[Imap] = []

    def connect(count: int) -> None:
        for _ in range(count):
            client = Imap(server.ports["imaps"], tls)
            client.log_in(f"u0@{DOMAIN}", PASSWORD)
            client.command(b"SELECT INBOX")
            client.idle()
            clients.append(client)

    try:
        # The first ones load what all share.
        connect(10)
        before = server.memory()
        connect(IDLE)
        return (server.memory() - before) / IDLE
    finally:
        for client in clients:
            client.close()


def sizes(folder: Path) -> list[Result]:
    """
    Ours alone: a mailbox of 1,000, of 10,000 and of 100,000; what grows with it.
    """
    counts = (1_000, 10_000, 100_000)
    ours = Ours(folder / "ours", [f"s{count}" for count in counts])
    found: dict[int, dict[str, list[float]]] = {}
    with running(ours):
        for count in counts:
            with imap(ours.ports["imap"], f"s{count}@{DOMAIN}", PASSWORD) as client:
                for batch in batches(count):
                    client.append("INBOX", batch)
                if client.messages("INBOX") != count:
                    raise RuntimeError("Not all of the mail is there.")
        for _ in range(3):
            for count in counts:
                for name, seconds in _by_size(ours, count).items():
                    found.setdefault(count, {}).setdefault(name, []).append(seconds * 1e6)
    titles = {"select": "SELECT", "fetch": "FETCH of one", "deliver": "delivery of one"}
    return [
        Result(
            Metric(f"size-{name}-{count}", f"{title}, {count:,} messages", "us", 0.5, is_cost=True),
            "10,000 of our own",
            found[count][name],
            found[10_000][name],
        )
        for name, title in titles.items()
        for count in (1_000, 100_000)
    ]


def _by_size(ours: Ours, count: int) -> Figures:
    person = f"s{count}@{DOMAIN}"
    with imap(ours.ports["imap"], person, PASSWORD) as client:
        select = 0.0
        client.command(b"SELECT INBOX")
        for _ in range(20):
            client.command(b"UNSELECT")
            select += _seconds(lambda: client.command(b"SELECT INBOX"))
        fetch = sum(_seconds(lambda: client.command(b"FETCH 500 (UID FLAGS BODY.PEEK[])")) for _ in range(50))
        client.command(b"UNSELECT")

        deliver = 0.0
        for _ in range(30):
            before, start = client.messages("INBOX"), time.monotonic()
            send_one(ours.ports["smtp"], [person], message(1))
            while client.messages("INBOX") == before:
                pass
            deliver += time.monotonic() - start
    return {"select": select / 20, "fetch": fetch / 50, "deliver": deliver / 30}


@contextlib.contextmanager
def both(folder: Path, people: list[str], mail_format: str) -> Iterator[tuple[Ours, Dovecot]]:
    """
    Ours and Dovecot, running.
    """
    ours, theirs = Ours(folder / "ours", people), Dovecot(folder / "theirs", [*people], mail_format)
    with running(ours, theirs):
        yield ours, theirs


def _seconds(work: Callable[[], object], times: int = 1) -> float:
    start = time.monotonic()
    for _ in range(times):
        work()
    return (time.monotonic() - start) / times
