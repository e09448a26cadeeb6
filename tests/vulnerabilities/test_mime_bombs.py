"""
MIME bombs: small messages that take for ever, or all memory, to read.

ClamAV, SpamAssassin, Python's own email package and Dovecot (CVE-2020-12100: nested parts ate the stack; CVE-2024-23184 and -23185:
many addresses, endless headers) all fell to one of these.  Here parts are found in one pass whose nesting and number are bounded, and
what a message can cost is counted, not timed: twice the message is at most about twice the work.  A watchdog of CPU time catches
what only C would do.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.trial.unittest import SynchronousTestCase

from tests.support.imapvalues import read_value
from twisted_mail_server.message.downgrade import CannotConvert, seven_bit
from twisted_mail_server.message.reported import read_report
from twisted_mail_server.message.structure import Part, parse
from twisted_mail_server.model import limits
from twisted_mail_server.protocols.imap.rendering import render

#: Seconds of CPU for one bomb.  Each takes less than one here; what is quadratic takes minutes.
PATIENCE = 20


def nested(count: int) -> bytes:
    """
    A multipart in a multipart in a multipart ...
    """
    levels = (
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(count)
    )
    return b"".join(levels) + b"\r\nx\r\n"


def nested_messages(count: int) -> bytes:
    """
    A message in a message in a message ...
    """
    return b"Content-Type: message/rfc822\r\n\r\n" * count + b"\r\nx\r\n"


def same_boundary(count: int) -> bytes:
    """
    All levels with one boundary: every delimiter could end every one of them.
    """
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * count + b"\r\nx\r\n" + b"--b--\r\n" * count


def prefixes(count: int) -> bytes:
    """
    Each boundary begins like all that are around it.
    """
    size = min(count, 60)
    head = b"".join(
        b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n--%b\r\n' % (b"a" * (level + 1), b"a" * (level + 1))
        for level in range(size)
    )
    return head + (b"--" + b"a" * 69 + b"b\r\n") * count


def many_parts(count: int) -> bytes:
    """
    Empty parts.
    """
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * count + b"--b--\r\n"


def almost_delimiters(count: int) -> bytes:
    """
    Lines that are nearly delimiters.
    """
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + b"--\r\n--c\r\n-b\r\n --b\r\n" * count


def bare_dashes(count: int) -> bytes:
    """
    Dashes, and no line end.
    """
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--" * count * 4


def blank_delimiters(count: int) -> bytes:
    """
    A delimiter with white space behind it that does not end.
    """
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b" + b" \t" * 50) * (count // 10 + 1)


def long_header(count: int) -> bytes:
    """
    Fields without number.
    """
    return b"X: y\r\n" * count + b"\r\nx"


def folds(count: int) -> bytes:
    """
    One field with folds without number.
    """
    return b"Subject: x" + b"\r\n y" * count + b"\r\n\r\nx"


def parameters(count: int) -> bytes:
    """
    Parameters, in pieces that come in the wrong order.
    """
    pieces = b"".join(b"; name*%d*=utf-8''%%41" % number for number in range(count, 0, -1))
    return b"Content-Type: text/plain" + pieces + b"\r\n\r\nx"


def addresses(count: int) -> bytes:
    """
    Addresses.
    """
    return b"To: " + b"a b <c@d>, " * count + b"\r\n\r\nx"


def groups(count: int) -> bytes:
    """
    Groups that do not end.
    """
    return b"To: " + b"g: a@b, " * count + b"\r\n\r\nx"


def comments(count: int) -> bytes:
    """
    Comments in comments.
    """
    return (
        b"To: " + b"(" * count + b"a@b" + b")" * count + b"\r\nContent-Type: text/plain " + b"(" * count + b"\r\n\r\nx"
    )


def quotes(count: int) -> bytes:
    """
    Quoted strings that do not end, with escapes that do not either.
    """
    return b'To: "' + b"\\" * count + b'\r\nContent-Type: a/b; c="' + b"\\" * count + b"\r\n\r\nx"


def words(count: int) -> bytes:
    """
    Encoded words, right and nearly right.
    """
    return b"Subject: " + b"=?utf-8?Q?=41?= =?utf-8?B?QQ== =?x?" * count + b"\r\n\r\nx"


def languages(count: int) -> bytes:
    """
    Lists of languages.
    """
    return b"Content-Language: " + b"en, (x) de," * count + b"\r\n\r\nx"


BOMBS: tuple[Callable[[int], bytes], ...] = (
    nested, nested_messages, same_boundary, prefixes, many_parts, almost_delimiters, bare_dashes, blank_delimiters, long_header,
    folds, parameters, addresses, groups, comments, quotes, words, languages,
)  # fmt: skip


@contextmanager
def watchdog() -> Iterator[None]:
    """
    Ends what takes more CPU than it may.
    """

    def bark(number: int, frame: object) -> None:
        raise AssertionError(f"That takes more than {PATIENCE} seconds.")

    before = signal.signal(signal.SIGVTALRM, bark)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def work(function: Callable[[bytes], object], data: bytes) -> int:
    """
    How many calls, of Python's and C's functions, reading C{data} takes.
    """
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function(data)
    finally:
        sys.setprofile(before)
    return count


def parts_of(root: Part) -> list[tuple[Part, int]]:
    """
    All parts, and how deep they are.
    """
    found, waiting = [], [(root, 0)]
    while waiting:
        part, depth = waiting.pop()
        found.append((part, depth))
        children = part.children if part.message is None else [part.message]
        waiting += [(child, depth + 1) for child in children]
    return found


class BombTests(SynchronousTestCase):
    """
    Each bomb, small and large.
    """

    def test_large(self) -> None:
        """
        Megabytes of it are read and rendered in bounded time, to a bounded tree and an answer that is well formed.
        """
        for bomb in BOMBS:
            data = bomb(100_000)
            with watchdog():
                found = parts_of(parse(data))
                rendered = render(data)
            self.assertLessEqual(len(found), 2 * limits.MIME_PARTS + 2, bomb.__name__)
            self.assertLessEqual(max(depth for _, depth in found), limits.MIME_NESTING + 1, bomb.__name__)
            said = rendered.envelope + rendered.body + rendered.bodystructure
            self.assertLess(len(said), 4 * len(data) + 100_000 * 20, bomb.__name__)
            if bomb not in (parameters, words):
                read_value(rendered.bodystructure)

    def test_linear(self) -> None:
        """
        Three times the bomb is at most about three times the work.
        """
        for bomb in BOMBS:
            small, large = (work(render, bomb(count)) for count in (2000, 6000))
            self.assertLess(large, 3.3 * small, bomb.__name__)

    def test_deep_recursion(self) -> None:
        """
        No depth reaches Python's own bound, whatever reads the message; what is too deep is shown as it is.
        """
        before = sys.getrecursionlimit()
        for bomb in (nested, nested_messages, same_boundary, comments):
            data = bomb(50_000) + b"\xe4"
            with watchdog():
                render(data)
                read_report(data)
                with contextlib.suppress(CannotConvert):
                    seven_bit(data)
        self.assertEqual(before, sys.getrecursionlimit())

    def test_boundary_tricks(self) -> None:
        """
        Boundaries that are empty, huge, have line ends, wildcards or NULs in them, or look like the end of another, end nothing.
        """
        for boundary in (
            b"",
            b" ",
            b"x" * 100_000,
            b"a\r\n b",
            b".*",
            b"a\0b",
            b"--",
            b"b--",
            b"-",
            b'\\"',
            b"b ",
            b"\xff",
        ):
            data = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n--%b\r\n\r\nx\r\n--%b--\r\n' % (
                (boundary,) * 3
            )
            with watchdog():
                read_value(render(data).bodystructure)
            self.assertLessEqual(len(parts_of(parse(data))), 3)
