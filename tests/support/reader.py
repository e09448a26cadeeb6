"""
Somebody who follows a page of the manual word by word, and compares what is seen with what the page shows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from tests.support.pages import Ended, Step, Typed, Written, matches
from tests.support.terminal import Printed, Terminal

#: Commands that stay in the foreground.
_SERVES = re.compile(r"(\S*/)?(make run|mailctl( --config \S+)? serve|twistd .*-n.*)$")
#: Commands that change nothing: mail takes a moment to arrive, so they are typed again until they show what the page does.
_LOOKS = re.compile(
    r"(?!.*(--upload-file| -T ))(sudo )?(\S*/)?(curl|journalctl|ls|cat|grep|find|"
    r"mailctl( --config \S+)?( --json)? (queue (list|show)|message|ledger|status|check|account (list|quota \S+$)))\b"
)
#: Seconds for which they are.
_AGAIN = 15
#: A program that says what is wrong.
_COMPLAINT = re.compile(r"^[\w./-]+: \S|^Job for ", re.MULTILINE)


#: What a server says last.
_READY = ("...", "mailserver: ready: ...")


class Place(Protocol):
    """
    Where a page is followed: the machine itself, or a corner of it that looks like one.
    """

    def typed(self, command: str) -> str:
        """
        A command of the page, as it is typed here.
        """

    def seen(self, printed: str) -> str:
        """
        What was printed here, as it would be on the page's machine.
        """

    def write(self, path: str, text: str, *, adds: bool) -> None:
        """
        Write a file of the page.
        """

    def started(self, command: str) -> str:
        """
        A command that stays in the foreground, as it is typed here.
        """


class NotAsShown(AssertionError):
    """
    The page shows something else.
    """


@frozen
class Reader:
    """
    One reader of one page.

    @ivar left_out: commands that are not to be typed here, and why.
    @ivar again: seconds for which one looks again.
    @ivar told: hears of each step.
    """

    _page: str
    _terminal: Terminal
    _place: Place
    _left_out: Mapping[re.Pattern[str], str]
    _again: float = _AGAIN
    _told: Callable[[str], None] = lambda _: None

    def follow(self, steps: Sequence[Step]) -> None:
        """
        Do all of it.

        @raise NotAsShown: one does not see what the page shows, or a command fails.
        """
        for step in steps:
            match step:
                case Ended():
                    self._terminal.interrupt()
                case Written():
                    self._told(f"writes {step.path}")
                    self._place.write(step.path, step.text, adds=step.adds)
                case Typed():
                    self._type(step)

    def _type(self, step: Typed) -> None:
        for pattern in self._left_out:
            if pattern.search(step.command):
                self._told(f"leaves out {step.command}")
                return
        self._told(f"types {step.command}")
        if _SERVES.match(step.command):
            self._begin(step)
            return
        command = self._place.typed(step.command)
        deadline = time.monotonic() + (self._again if _LOOKS.match(step.command) else 0)
        while (why := self._is_wrong(step, printed := self._terminal.run(command))) and time.monotonic() < deadline:
            time.sleep(0.1)
        if why:
            raise NotAsShown(self._report(step, f"{why} (exit status {printed.status})", printed.all))

    def _begin(self, step: Typed) -> None:
        """
        Run a server in the foreground until it has said what the page shows.
        """
        self._terminal.interrupt()
        shown = (*(step.shown or _READY), "...")
        said = self._terminal.begin(
            self._place.started(step.command), lambda text: matches(shown, self._place.seen(text))
        )
        if not matches(shown, self._place.seen(said)):
            raise NotAsShown(self._report(step, "It says something else", said))

    def _is_wrong(self, step: Typed, printed: Printed) -> str:
        if printed.status:
            # A page may show how something fails; then it shows the complaint.
            if not _COMPLAINT.search("\n".join(step.shown)) and not _shows_bad_news(step):
                return "It fails"
        elif not step.shown or matches(step.shown, self._place.seen(printed.out)):
            return ""
        # What was said on standard error stands before, or behind.
        both = (printed.out + printed.error, printed.error + printed.out)
        return "" if any(matches(step.shown, self._place.seen(text)) for text in both) else "It prints something else"

    def _report(self, step: Typed, why: str, printed: str) -> str:
        shown = "\n".join(step.shown)
        return f"{self._page}:{step.line}: {step.command}\n{why}. It shows:\n{shown}\nIt prints:\n{self._place.seen(printed)}"


def _shows_bad_news(step: Typed) -> bool:
    """
    Whether the page shows that something was found to be wrong: C{mailctl check} and its like say so in their tables.
    """
    return bool(step.shown) and re.search(r"\b(check|ledger verify|--verify)\b", step.command) is not None
