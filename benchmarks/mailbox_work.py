"""
What one client does with a mailbox of 10,000, one row of the table each; and how one sees that it was really done.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from benchmarks.clients import Answer, Imap
from benchmarks.messages import NEEDLES, is_multipart, message

#: Messages in the large mailbox.
LARGE = 10_000
#: Of them are seen, read whole, copied and moved.
SEEN, READ, COPIED = 5_000, range(1_000, 2_000), 1_000
APPENDED = 200
#: Mailboxes of L{IN_FEW} messages.
FEW, IN_FEW = 100, 5

_RARE = LARGE // 100
_MULTIPART = sum(map(is_multipart, range(LARGE)))
_MESSAGE_ID = re.compile(rb'"<([0-9]+)\.bench@example\.net>"')


@frozen
class Work:
    """
    One row.
    """

    name: str
    title: str
    unit: str
    #: Units of one turn.
    amount: int
    #: What is said; C{{box}} is the mailbox's name.
    commands: tuple[str, ...]
    #: Whether the answers are complete; asked after the clock has stopped.
    is_done: Callable[[Imap, str, Sequence[Answer]], bool]
    #: What is said once before, and before each turn, outside of the time.
    first: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    #: Turns.
    times: int = 1

    def measure(self, client: Imap, box: str) -> float:
        """
        Units a second.

        @raise RuntimeError: it was not done.
        """
        say(client, box, self.first)
        seconds, answers = 0.0, []
        for _ in range(self.times):
            say(client, box, self.before)
            start = time.monotonic()
            answers += say(client, box, self.commands)
            seconds += time.monotonic() - start
        self.check(client, box, answers)
        return self.amount * self.times / seconds

    def check(self, client: Imap, box: str, answers: Sequence[Answer]) -> None:
        """
        @raise RuntimeError: it was not done.
        """
        if not self.is_done(client, box, answers):
            raise RuntimeError(f"{self.title}: the answer is not complete: {answers[-1].text[:200]!r}")


def fill(client: Imap, box: str) -> Iterator[None]:
    """
    Put the messages into the mailbox, 100 at a time.
    """
    for start in range(0, LARGE, 100):
        client.append(box, [message(number) for number in range(start, start + 100)])
        yield


def make_few(client: Imap) -> None:
    """
    The many small mailboxes.
    """
    for number in range(FEW):
        client.command(f"CREATE few{number}".encode())
        client.append(f"few{number}", [message(one) for one in range(IN_FEW)])


def say(client: Imap, box: str, commands: Sequence[str]) -> list[Answer]:
    """
    One command after the other.
    """
    return [client.command(text.replace("{box}", box).encode()) for text in commands]


def _all_envelopes(client: Imap, box: str, answers: Sequence[Answer]) -> bool:
    return all([int(one) for one in _MESSAGE_ID.findall(answer.text)] == list(range(LARGE)) for answer in answers)


def _all_structures(client: Imap, box: str, answers: Sequence[Answer]) -> bool:
    text = answers[-1].text.lower()
    return answers[-1].fetched == LARGE and text.count(b'("attachment"') == text.count(b'"mixed"') == _MULTIPART


def _all_fetched(client: Imap, box: str, answers: Sequence[Answer]) -> bool:
    return all(answer.fetched == LARGE for answer in answers)


def _all_contents(client: Imap, box: str, answers: Sequence[Answer]) -> bool:
    return all(list(answer.literals()) == [message(number) for number in READ] for answer in answers)


def _found(count: int) -> Callable[[Imap, str, Sequence[Answer]], bool]:
    return lambda client, box, answers: all(answer.found == count for answer in answers)


def _counted(box_end: str, count: int) -> Callable[[Imap, str, Sequence[Answer]], bool]:
    return lambda client, box, answers: client.messages(box + box_end) == count


WORKS = (
    Work(
        "select",
        "SELECT",
        "commands/s",
        1,
        ("SELECT {box}",),
        lambda client, box, answers: all(b"* %d EXISTS\r\n" % LARGE in answer.text for answer in answers),
        before=("UNSELECT",),
        times=20,
    ),
    Work(
        "envelope-first",
        "FETCH ENVELOPE of all, first",
        "messages/s",
        LARGE,
        ("FETCH 1:* (ENVELOPE)",),
        _all_envelopes,
    ),
    Work(
        "envelope",
        "FETCH ENVELOPE of all, again",
        "messages/s",
        LARGE,
        ("FETCH 1:* (ENVELOPE)",),
        _all_envelopes,
        times=3,
    ),
    Work(
        "bodystructure",
        "FETCH BODYSTRUCTURE of all, first",
        "messages/s",
        LARGE,
        ("FETCH 1:* (BODYSTRUCTURE)",),
        _all_structures,
    ),
    Work("flags", "FETCH FLAGS of all", "messages/s", LARGE, ("FETCH 1:* (FLAGS)",), _all_fetched, times=5),
    Work(
        "body",
        "FETCH BODY.PEEK[] of 1,000",
        "messages/s",
        len(READ),
        (f"FETCH {READ.start + 1}:{READ.stop} (BODY.PEEK[])",),
        _all_contents,
        times=3,
    ),
    Work(
        "store",
        "STORE of all",
        "messages/s",
        2 * LARGE,
        (r"STORE 1:* +FLAGS (\Flagged)", r"STORE 1:* -FLAGS (\Flagged)"),
        _all_fetched,
    ),
    Work(
        "search-flag",
        "SEARCH by flag",
        "commands/s",
        1,
        ("SEARCH UNSEEN",),
        _found(LARGE - SEEN),
        first=(rf"STORE 1:{SEEN} +FLAGS.SILENT (\Seen)",),
        times=5,
    ),
    # Another word each time, for the answer to the last question is no search.
    Work(
        "search-header",
        "SEARCH by header",
        "commands/s",
        len(NEEDLES),
        tuple(f"SEARCH SUBJECT {word}" for word in NEEDLES),
        _found(_RARE),
    ),
    Work("search-text", "SEARCH by text", "commands/s", 1, (f"SEARCH TEXT {NEEDLES[0]}",), _found(_RARE)),
    Work(
        "copy",
        "COPY of 1,000",
        "messages/s",
        COPIED,
        (f"COPY 1:{COPIED} {{box}}copied",),
        _counted("copied", COPIED),
        first=("CREATE {box}copied",),
    ),
    Work(
        "move",
        "MOVE of 1,000",
        "messages/s",
        COPIED,
        (f"MOVE 1:{COPIED} {{box}}moved",),
        _counted("moved", COPIED),
        first=("CREATE {box}moved", "SELECT {box}copied"),
    ),
    Work(
        "append",
        "APPEND, one at a time",
        "messages/s",
        APPENDED,
        tuple(f"APPEND INBOX {{{len(message(number))}+}}\r\n{message(number).decode()}" for number in range(APPENDED)),
        lambda client, box, answers: all(b"[APPENDUID " in answer.text for answer in answers),
        first=("SELECT INBOX",),
    ),
    Work(
        "status",
        "STATUS of 100 mailboxes",
        "mailboxes/s",
        FEW,
        tuple(f"STATUS few{number} (MESSAGES UNSEEN UIDNEXT)" for number in range(FEW)),
        lambda client, box, answers: all(b"MESSAGES %d " % IN_FEW in answer.text for answer in answers),
        times=30,
    ),
)
