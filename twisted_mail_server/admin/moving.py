"""
What importing and exporting share: how far they are, and what came of them.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

#: Told of every step: messages done, messages in all (or octets, where nobody knows how many messages there are).
Progress = Callable[[int, int], None]

#: Problems that are told one by one.
_TOLD = 100


@define
class Moved:
    """
    What came of it so far.
    """

    #: Messages that were brought over.
    moved: int = 0
    #: Messages that had been brought over before.
    known: int = 0
    #: Messages that could not be.
    failed: int = 0
    octets: int = 0
    mailboxes: list[str] = field(factory=list)
    #: Why not, a sentence each; the first hundred.
    problems: list[str] = field(factory=list)

    def fail(self, problem: str, messages: int = 1) -> None:
        """
        Something could not be brought over.
        """
        self.failed += messages
        if len(self.problems) < _TOLD:
            self.problems.append(problem)
