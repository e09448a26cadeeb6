"""
When to try again, when to say so, and when to give up.

RFC 5321 section 4.5.4.1 asks for a pause of half an hour at least after the
first failures, longer ones later, and for four or five days in all; section
4.5.4.1 also wants tries of different messages apart, which chance sees to.
RFC 3461 section 5.2.5 lets us tell of a delay.
"""

from __future__ import annotations

from collections.abc import Sequence

#: A pause is up to so much shorter or longer, so that what failed together does not come back together.
_JITTER = 0.1


def next_try(schedule: Sequence[int], attempts: int, now: int, chance: float, latest: int | None = None) -> int:
    """
    The second from which the next try may be made.

    @param schedule: pauses in seconds, at least one: after the first try,
        after the second, ...; the last one repeats.
    @param attempts: tries made so far.
    @param chance: at least 0, below 1; a half means the pause as it stands.
    @param latest: when the message expires: its last try is not put off
        beyond that.
    """
    if attempts < 1:
        return now
    pause = schedule[min(attempts, len(schedule)) - 1]
    due = now + round(pause * (1 - _JITTER + 2 * _JITTER * chance))
    return due if latest is None else max(now, min(due, latest))


def is_expired(received: int, now: int, expire_after: int) -> bool:
    """
    Whether a message that still fails is given up.

    @param received: when it came, seconds since 1970.
    """
    return now - received >= expire_after


def is_delay_due(received: int, now: int, delay_after: int, is_delay_told: bool) -> bool:
    """
    Whether the sender is to be told that a message waits; once is enough.

    @param delay_after: seconds in the queue after which it is time; 0 for
        never.
    """
    return delay_after > 0 and not is_delay_told and now - received >= delay_after
