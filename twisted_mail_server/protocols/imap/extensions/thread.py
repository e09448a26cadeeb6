"""
THREAD and UID THREAD, by subjects and by references (RFC 5256).
"""

from __future__ import annotations

from functools import partial

from attrs import frozen

from ....model.errors import SyntaxProblem
from .. import searching, sorting
from ..commands.searching import run
from ..vocabulary import IN_MAILBOX, Command, Cursor, Extension, Outcome, Session


@frozen
class Thread:
    """
    What THREAD takes.
    """

    #: One of L{sorting.ALGORITHMS}.
    algorithm: bytes
    plan: searching.SearchPlan


def read_thread(cursor: Cursor, session: Session) -> Thread:
    """
    C{thread}

    @raise SyntaxProblem: that is not how it goes, or there is no such algorithm.
    """
    # thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria ; search-criteria = charset 1*(SP search-key)
    cursor.space()
    algorithm = cursor.atom().upper()
    if algorithm not in sorting.ALGORITHMS:
        raise SyntaxProblem("There is no such algorithm.")
    cursor.space()
    return Thread(algorithm, searching.read_keys(cursor, session.registry.search_keys, needs_charset=True))


async def thread(session: Session, arguments: Thread, *, by_uid: bool) -> Outcome:
    """
    Search, then tell what was found as threads.
    """
    view, plan, pause = session.mailbox.view, arguments.plan, session.breathe
    session.enable(plan.enables)
    uids = view.snapshot.uids
    found = await run(session, plan)
    threads, places = await sorting.thread(arguments.algorithm, view, found, pause)
    names = [uids[place - 1] for place in places] if by_uid else places
    told = sorting.write_threads(threads, names)
    await session.write(b"* THREAD %b\r\n" % told if told else b"* THREAD\r\n")
    return Outcome("Threaded.", defers_expunge=plan.has_numbers)


EXTENSION = Extension(
    rfc="RFC 5256",
    capabilities=tuple(b"THREAD=%b" % algorithm for algorithm in sorting.ALGORITHMS),
    commands=(
        Command(b"THREAD", IN_MAILBOX, read_thread, partial(thread, by_uid=False), defers_expunge=True),
        Command(b"UID THREAD", IN_MAILBOX, read_thread, partial(thread, by_uid=True)),
    ),
)
