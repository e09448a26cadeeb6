"""
People and their mail: IMAP on a large mailbox, POP3, connections that wait.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import resource
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.clients import Imap, imap, pop3_session, send_one
from benchmarks.measuring import Figures, Metric, Result, against_bound, alternate
from benchmarks.messages import NEEDLE, batches, message
from benchmarks.servers import DOMAIN, PASSWORD, Dovecot, Ours

#: Messages in the large mailbox.
LARGE = 10_000
#: Accounts that log in for the first time in one round.
NEWCOMERS = 10
IDLE = 1000

_METRICS = [
    ("append-100", "APPEND, 100 at a time", "messages/s"),
    ("select", "SELECT", "commands/s"),
    ("envelope-first", "FETCH ENVELOPE of all, first", "messages/s"),
    ("envelope", "FETCH ENVELOPE of all, again", "messages/s"),
    ("bodystructure", "FETCH BODYSTRUCTURE of all, first", "messages/s"),
    ("flags", "FETCH FLAGS of all", "messages/s"),
    ("body", "FETCH BODY.PEEK[] of 1,000", "messages/s"),
    ("store", "STORE of all", "messages/s"),
    ("search-flag", "SEARCH by flag", "commands/s"),
    ("search-header", "SEARCH by header", "commands/s"),
    ("search-text", "SEARCH by text", "commands/s"),
    ("copy", "COPY of 1,000", "messages/s"),
    ("move", "MOVE of 1,000", "messages/s"),
    ("append", "APPEND, one at a time", "messages/s"),
    ("status", "STATUS of 100 mailboxes", "mailboxes/s"),
    ("login", "LOGIN, first", "logins/s"),
    ("login-again", "LOGIN, again", "logins/s"),
]


def imap_on_10000(folder: Path, rounds: int, mail_format: str) -> list[Result]:
    """
    One connection, a mailbox of 10,000, new in every round.
    """
    people = ["u0", *(f"n{number}" for number in range(NEWCOMERS * rounds))]
    with both(folder, people, mail_format) as (ours, theirs):
        for server in (ours, theirs):
            with imap(server.ports["imap"], f"u0@{DOMAIN}", PASSWORD) as client:
                for number in range(100):
                    client.command(f"CREATE few{number}".encode())
                    client.append(f"few{number}", [message(one) for one in range(5)])
        return alternate(
            [Metric(name, title, unit, None if name == "append-100" else 1) for name, title, unit in _METRICS],
            lambda number: _imap_round(ours.ports["imap"], number),
            lambda number: _imap_round(theirs.ports["imap"], number),
            f"Dovecot, {mail_format}",
            rounds,
        )


def _imap_round(port: int, number: int) -> Figures:
    box = f"large{number}"
    figures: dict[str, float] = {}
    with imap(port, f"u0@{DOMAIN}", PASSWORD) as client:
        client.command(f"CREATE {box}".encode())
        client.command(f"CREATE {box}copied".encode())
        client.command(f"CREATE {box}moved".encode())
        pieces = list(batches(LARGE))
        figures["append-100"] = LARGE / _seconds(lambda: _append(client, box, pieces))
    with imap(port, f"u0@{DOMAIN}", PASSWORD) as client:
        figures.update(_fetches(client, box))
        figures.update(_changes(client, box))
        client.command(b"SELECT INBOX")
        figures["append"] = 200 / _seconds(lambda: _append(client, "INBOX", batches(200, 1)))
        figures["status"] = 100 / _seconds(
            lambda: [client.command(f"STATUS few{one} (MESSAGES UNSEEN UIDNEXT)".encode()) for one in range(100)], 3
        )
        for name in (box, f"{box}copied", f"{box}moved"):
            client.command(f"DELETE {name}".encode())
    newcomers = [f"n{one}@{DOMAIN}" for one in range(number * NEWCOMERS, (number + 1) * NEWCOMERS)]
    figures["login"] = NEWCOMERS / _seconds(lambda: _log_in(port, newcomers))
    figures["login-again"] = NEWCOMERS / _seconds(lambda: _log_in(port, newcomers))
    return figures


def _fetches(client: Imap, box: str) -> Figures:
    select = f"SELECT {box}".encode()
    client.command(select)
    selecting = 0.0
    for _ in range(20):
        client.command(b"UNSELECT")
        selecting += _seconds(lambda: client.command(select))

    def fetch(text: bytes, times: int = 1) -> float:
        return _seconds(lambda: client.command(text), times)

    return {
        "select": 20 / selecting,
        "envelope-first": LARGE / fetch(b"FETCH 1:* (ENVELOPE)"),
        "envelope": LARGE / fetch(b"FETCH 1:* (ENVELOPE)", 3),
        "bodystructure": LARGE / fetch(b"FETCH 1:* (BODYSTRUCTURE)"),
        "flags": LARGE / fetch(b"FETCH 1:* (FLAGS)", 5),
        "body": 1000 / fetch(b"FETCH 1001:2000 (BODY.PEEK[])", 3),
    }


def _changes(client: Imap, box: str) -> Figures:
    def times(text: str, count: int = 1) -> float:
        return _seconds(lambda: client.command(text.encode()), count)

    store = times(r"STORE 1:* +FLAGS (\Flagged)") + times(r"STORE 1:* -FLAGS (\Flagged)")
    client.command(rb"STORE 1:5000 +FLAGS.SILENT (\Seen)")
    figures = {
        "store": 2 * LARGE / store,
        "search-flag": 1 / times("SEARCH UNSEEN", 5),
        "search-header": 1 / times(f"SEARCH SUBJECT {NEEDLE}", 3),
        "search-text": 1 / times(f"SEARCH TEXT {NEEDLE}"),
        "copy": 1000 / times(f"COPY 1:1000 {box}copied"),
    }
    client.command(f"SELECT {box}copied".encode())
    return {**figures, "move": 1000 / times(f"MOVE 1:1000 {box}moved")}


def _log_in(port: int, people: Iterable[str]) -> None:
    for person in people:
        with imap(port, person, PASSWORD):
            pass


def _append(client: Imap, box: str, pieces: Iterable[Sequence[bytes]]) -> None:
    for batch in pieces:
        client.append(box, batch)


def pop3(folder: Path, rounds: int, mail_format: str) -> list[Result]:
    """
    Four clients at a time, a mailbox of 100 each, of which they read 20.
    """
    people = [f"u{number}" for number in range(4)]
    sessions = 40
    with both(folder, people, mail_format) as (ours, theirs):
        for server in (ours, theirs):
            for one in people:
                with imap(server.ports["imap"], f"{one}@{DOMAIN}", PASSWORD) as client:
                    client.append("INBOX", [message(number) for number in range(100)])

        def measure(server: Ours | Dovecot) -> Figures:
            def one_person(person: str) -> None:
                for _ in range(sessions):
                    pop3_session(server.ports["pop3"], f"{person}@{DOMAIN}", PASSWORD, 20)

            used, start = server.cpu(), time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(len(people)) as pool:
                list(pool.map(one_person, people))
            total = sessions * len(people)
            seconds = time.monotonic() - start
            return {"pop3": total / seconds, "pop3-cpu": (server.cpu() - used) / total * 1e6}

        return alternate(
            [
                Metric("pop3", "POP3 sessions", "sessions/s", 1),
                Metric("pop3-cpu", "their CPU", "us a session", None, is_cost=True),
            ],
            lambda _: measure(ours),
            lambda _: measure(theirs),
            f"Dovecot, {mail_format}",
            rounds,
        )


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
    with contextlib.ExitStack() as stack:
        stack.callback(ours.stop)
        ours.start()
        for count in counts:
            with imap(ours.ports["imap"], f"s{count}@{DOMAIN}", PASSWORD) as client:
                for batch in batches(count):
                    client.append("INBOX", batch)
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

        def status() -> bytes:
            return client.command(b"STATUS INBOX (MESSAGES)").partition(b"\r\n")[2].partition(b"\r\n")[0]

        deliver = 0.0
        for _ in range(30):
            before, start = status(), time.monotonic()
            send_one(ours.ports["smtp"], [person], message(1))
            while status() == before:
                pass
            deliver += time.monotonic() - start
    return {"select": select / 20, "fetch": fetch / 50, "deliver": deliver / 30}


@contextlib.contextmanager
def both(folder: Path, people: list[str], mail_format: str) -> Iterator[tuple[Ours, Dovecot]]:
    """
    Ours and Dovecot, running.
    """
    ours, theirs = Ours(folder / "ours", people), Dovecot(folder / "theirs", [*people], mail_format)
    with contextlib.ExitStack() as stack:
        for server in (ours, theirs):
            stack.callback(server.stop)
            server.start()
        yield ours, theirs


def _seconds(work: Callable[[], object], times: int = 1) -> float:
    start = time.monotonic()
    for _ in range(times):
        work()
    return (time.monotonic() - start) / times
