"""
C{python -m benchmarks.profiling [NAME ...]}, as root: what our server's processor does in each piece of work of the table.

Writes a flame graph of each to C{profiles/NAME.svg}, their sums to C{profiles/profiles.json}, and what they say to
C{profiles/README.md}.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from attrs import asdict

from benchmarks import flames, incoming, reading_mail
from benchmarks.clients import Imap, imap
from benchmarks.mailbox_work import WORKS, Work, fill, make_few, say
from benchmarks.recording import RATE, Recording, Summary, recording
from benchmarks.servers import DOMAIN, PASSWORD, Ours, Sink, free_port, running

PLACE = Path(__file__).parent / "profiles"
#: Seconds of the server's processor that are looked at, and seconds after which it is enough anyway.
SECONDS, PATIENCE = 6, 90
#: Mailboxes of which the envelopes are read for the first time, and accounts that log in for the first time.
NEW_BOXES, NEWCOMERS = 8, 200


class Watched(Protocol):
    """
    A server of ours that is running.
    """

    @property
    def process_id(self) -> int:
        """
        Of its process.
        """

    def cpu(self) -> float:
        """
        Seconds so far.
        """


#: Starts a server, prepares the work, and gives the work turn by turn.
Prepared = contextlib.AbstractContextManager[tuple[Watched, Iterator[object]]]


def main() -> None:
    """
    All of it, or what was named.
    """
    chosen = profiles()
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.profiling")
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(chosen)}; without any, all")
    arguments.add_argument("--folder", default="/var/tmp", help="on a real disk")
    given = arguments.parse_args()
    unknown = set(given.names) - set(chosen)
    if unknown:
        arguments.error(f"unknown: {', '.join(sorted(unknown))}")
    PLACE.mkdir(exist_ok=True)
    for name in given.names or chosen:
        with tempfile.TemporaryDirectory(prefix=f"profile-{name}-", dir=given.folder) as folder:
            found = profile(chosen[name](Path(folder)))
        summaries = {**kept(), name: Summary.of(found)}
        summaries = {one: summaries[one] for one in chosen if one in summaries}
        (PLACE / f"{name}.svg").write_text(flames.draw(name, found.stacks))
        (PLACE / "profiles.json").write_text(
            json.dumps({n: asdict(one) for n, one in summaries.items()}, indent=1) + "\n"
        )
        (PLACE / "README.md").write_text(page(summaries))
        print(f"{name}: {summaries[name].heaviest_rooms(4)}", flush=True)


def profile(prepared: Prepared) -> Recording:
    """
    Let it work until there is enough to look at.
    """
    with prepared as (server, turns):
        # The first turn loads and fills what stays.
        next(turns)
        with recording(server.process_id) as found:
            used, start = server.cpu(), time.monotonic()
            for _ in turns:
                if server.cpu() - used >= SECONDS or time.monotonic() - start > PATIENCE:
                    break
    return found


def profiles() -> dict[str, Callable[[Path], Prepared]]:
    """
    By the names of the table's rows.
    """
    special = {"envelope-first": _new_envelopes, "copy": _copies, "move": _moves}
    return {
        "accept-10": partial(_accepting, sessions=10),
        "accept-50": partial(_accepting, sessions=50),
        **{work.name: partial(_mailbox, work=work, turns=special.get(work.name, _again)) for work in WORKS},
        "login": _logins,
        "pop3": _pop3,
        "crowd": _crowd,
        "engine": _engine,
        "relay": _relaying,
    }


def kept() -> dict[str, Summary]:
    """
    The sums of the last profiles.
    """
    try:
        found: Mapping[str, dict[str, object]] = json.loads((PLACE / "profiles.json").read_text())
    except FileNotFoundError:
        return {}
    return {name: Summary.from_json(values) for name, values in found.items()}


def _forever(work: Callable[[], object]) -> Iterator[object]:
    while True:
        yield work()


@contextlib.contextmanager
def _accepting(folder: Path, sessions: int) -> Iterator[tuple[Watched, Iterator[object]]]:
    ours = Ours(folder / "ours", incoming.READERS, incoming.our_settings())
    with running(ours), incoming.reading(ours, incoming.READERS) as arrived:
        yield ours, _forever(lambda: incoming.accept_once(ours, arrived, sessions))


@contextlib.contextmanager
def _crowd(folder: Path) -> Iterator[tuple[Watched, Iterator[object]]]:
    ours = Ours(folder / "ours", incoming.CROWD, incoming.our_settings())
    with running(ours), incoming.reading(ours, incoming.CROWD) as arrived:
        yield ours, _forever(lambda: incoming.crowd_once(ours, arrived))


@contextlib.contextmanager
def _relaying(folder: Path) -> Iterator[tuple[Watched, Iterator[object]]]:
    port = free_port()
    ours = Ours(folder / "ours", incoming.READERS, incoming.our_settings(port))
    with running(ours):
        yield ours, _forever(lambda: incoming.relay_once(ours, port))


@contextlib.contextmanager
def _engine(folder: Path) -> Iterator[tuple[Watched, Iterator[object]]]:
    sink = Sink(folder / "ours", "ours")
    with running(sink):
        yield sink, _forever(lambda: incoming.engine_once(sink))


@contextlib.contextmanager
def _pop3(folder: Path) -> Iterator[tuple[Watched, Iterator[object]]]:
    ours = Ours(folder / "ours", reading_mail.READERS)
    with running(ours):
        reading_mail.fill_inboxes(ours.ports["imap"])
        yield ours, _forever(lambda: reading_mail.pop3_sessions(ours.ports["pop3"]))


@contextlib.contextmanager
def _logins(folder: Path) -> Iterator[tuple[Watched, Iterator[object]]]:
    people = [f"n{number}" for number in range(NEWCOMERS)]
    ours = Ours(folder / "ours", people)
    with running(ours):
        yield ours, _newcomers(ours, people)


def _newcomers(ours: Ours, people: Iterable[str]) -> Iterator[object]:
    for one in people:
        reading_mail.log_in(ours.ports["imap"], [f"{one}@{DOMAIN}"])
        yield one


@contextlib.contextmanager
def _mailbox(
    folder: Path, work: Work, turns: Callable[[Imap, Work], Iterator[object]]
) -> Iterator[tuple[Watched, Iterator[object]]]:
    ours = Ours(folder / "ours", ["u0"])
    with running(ours):
        with imap(ours.ports["imap"], f"u0@{DOMAIN}", PASSWORD) as client:
            make_few(client)
            for number in range(NEW_BOXES if work.name == "envelope-first" else 1):
                client.command(f"CREATE large{number}".encode())
                list(fill(client, f"large{number}"))
        with imap(ours.ports["imap"], f"u0@{DOMAIN}", PASSWORD) as client:
            client.command(b"SELECT large0")
            yield ours, turns(client, work)


def _again(client: Imap, work: Work) -> Iterator[object]:
    say(client, "large0", work.first)
    while True:
        say(client, "large0", work.before)
        answers = say(client, "large0", work.commands)
        work.check(client, "large0", answers)
        yield answers


def _new_envelopes(client: Imap, work: Work) -> Iterator[object]:
    """
    Of one mailbox after the other.
    """
    for number in range(NEW_BOXES):
        client.command(f"SELECT large{number}".encode())
        yield say(client, f"large{number}", work.commands)


def _copies(client: Imap, work: Work) -> Iterator[object]:
    """
    Into a new mailbox after each twenty.
    """
    for number in range(1_000_000):
        if number % 20 == 0:
            client.command(f"CREATE copied{number}".encode())
        yield client.command(f"COPY 1:1000 copied{number // 20 * 20}".encode())


def _moves(client: Imap, work: Work) -> Iterator[object]:
    """
    To and fro.
    """
    client.command(b"CREATE one")
    client.command(b"CREATE other")
    client.command(b"COPY 1:1000 one")
    while True:
        for here, there in (("one", "other"), ("other", "one")):
            client.command(f"SELECT {here}".encode())
            yield client.command(f"MOVE 1:1000 {there}".encode())


def page(summaries: Mapping[str, Summary]) -> str:
    """
    What the profiles say, in Markdown.
    """
    lines = [
        "# Profiles",
        "",
        "What our server does in each piece of work of the [table](../RESULTS.md), written by `make profile`: `py-spy` looked"
        f" {RATE} times a second at every thread that ran, for about {SECONDS} seconds of processor (Python {platform.python_version()});"
        " a flame graph of each piece is beside this page. The work is repeated, so what a server remembers of a mailbox, it remembers:"
        " only `envelope-first` and `login` are new each time.",
        "",
        "A thread is seen while it runs, and also, mostly, while it waits for the disk. A sample counts for the innermost *room* (a package"
        " of ours, or Twisted) on its stack: what the standard library, SQLite or the kernel did counts for the room that called it."
        " But what passes between threads is `threads`, sending and receiving is `sockets`, and the reactor's `epoll` is `waiting`: for a"
        " peer, or for a processor. `disk` is files and databases. *With what it called* has only functions of ours.",
    ]
    for name, one in summaries.items():
        lines += ["", f"## [{name}]({name}.svg)", ""]
        lines += [
            f"{one.samples:,} samples; {one.processor:.1f} s of processor, of which {one.first_thread:.1f} s were the first thread's.",
            "",
        ]
        lines += ["| room | | thread | |", "|---|--:|---|--:|"]
        lines += _rows(one, _big(one, one.rooms), _big(one, one.threads), "")
        lines += ["", "| by itself | | with what it called | |", "|---|--:|---|--:|"]
        lines += _rows(one, one.itself, one.inclusive, "`")
    return "\n".join([*lines, ""])


def _big(summary: Summary, counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count * 100 >= summary.samples}


def _rows(summary: Summary, left: Mapping[str, int], right: Mapping[str, int], mark: str) -> Iterator[str]:
    cells = [
        [f"{mark}{_short(name)}{mark} | {summary.share(count)}" for name, count in one.items()] for one in (left, right)
    ]
    for number in range(max(map(len, cells))):
        yield "| " + " | ".join(column[number] if number < len(column) else " | " for column in cells) + " |"


def _short(frame: str) -> str:
    return frame.replace("twisted_mail_server/", "").replace("|", "/")


if __name__ == "__main__":
    main()
