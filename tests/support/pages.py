"""
Pages of the manual as a reader follows them: what to type, what is then seen, what to write into which file.

In a C{console} block a line that begins with C{$ } or, for root, C{# } is typed; the lines up to the next such line are what one sees.  A
command goes on in the next line after a backslash.  Where no line follows, nothing is said of what one sees.

Any other block goes into the file that the sentence before it ends with: ... C{`/etc/mailserver/mail.toml`:}; if that sentence
says "add", at the file's end.

"Ctrl-C" in the text ends what runs in the foreground.

A comment C{<!-- before: -->} holds commands that a reader need not type, such as those that make the mess which the page then cleans up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

_FENCE = re.compile(r"^```(\w*)$")
_PROMPT = re.compile(r"^([$#]) (\S.*)$")
_INTO = re.compile(r"`(/[^`]+)`:$")
_ADD = re.compile(r"\badd\b", re.IGNORECASE)


@frozen
class Typed:
    """
    A command.

    @ivar shown: the lines that the page has after it.
    @ivar is_hidden: whether a reader never sees it.
    """

    line: int
    command: str
    shown: tuple[str, ...] = ()
    is_hidden: bool = False


@frozen
class Written:
    """
    A file.

    @ivar adds: whether it keeps what it has.
    """

    line: int
    path: str
    text: str
    adds: bool


@frozen
class Ended:
    """
    What runs in the foreground is to end.
    """

    line: int


Step = Typed | Written | Ended


@frozen
class Block:
    """
    What stands between two fences.

    @ivar before: the paragraph before it.
    """

    line: int
    kind: str
    text: str
    before: str


def blocks(page: str) -> list[Block]:
    """
    Every block of a page.
    """
    return [part for part in _parts(page) if isinstance(part, Block)]


def steps(page: str) -> list[Step]:
    """
    What a reader does, in order.
    """
    return [step for part in _parts(page) for step in _steps_of(part)]


@frozen
class _Text:
    line: int
    text: str


def _parts(page: str) -> Iterator[Block | _Text]:
    """
    Paragraphs and blocks.
    """
    number, before = 0, ""
    lines = page.splitlines()
    paragraph: list[str] = []
    while number < len(lines):
        line = lines[number]
        fence = _FENCE.match(line)
        if fence is None and line.strip():
            paragraph.append(line)
            number += 1
            continue
        if paragraph:
            before = " ".join(paragraph)
            yield _Text(number - len(paragraph) + 1, "\n".join(paragraph))
            paragraph = []
        if fence is not None:
            end = lines.index("```", number + 1)
            yield Block(number + 1, fence[1], "".join(f"{one}\n" for one in lines[number + 1 : end]), before)
            number, before = end, ""
        number += 1
    if paragraph:
        yield _Text(number - len(paragraph) + 1, "\n".join(paragraph))


def _steps_of(part: Block | _Text) -> Iterator[Step]:
    if isinstance(part, _Text):
        if part.text.startswith("<!-- before:"):
            yield from _typed(part.line, part.text.splitlines()[1:-1], is_hidden=True)
        elif "Ctrl-C" in part.text:
            yield Ended(part.line)
    elif part.kind == "console":
        yield from _typed(part.line, part.text.splitlines(), is_hidden=False)
    elif (into := _INTO.search(part.before)) is not None:
        sentence = re.split(r"(?<=[.:]) ", part.before)[-1]
        yield Written(part.line, into[1], part.text, _ADD.search(sentence) is not None)


def _typed(first: int, lines: list[str], *, is_hidden: bool) -> Iterator[Typed]:
    number = 0
    while number < len(lines):
        prompt = _PROMPT.match(lines[number])
        if prompt is None:
            raise ValueError(f"Line {first + number + 1}: a block begins with a prompt.")
        at, command = first + number + 1, prompt[2]
        number += 1
        while command.endswith("\\"):
            command = f"{command[:-1].rstrip()} {lines[number].lstrip('> ')}"
            number += 1
        shown = []
        while number < len(lines) and not _PROMPT.match(lines[number]):
            shown.append(lines[number])
            number += 1
        yield Typed(at, command, tuple(shown), is_hidden)


#: What is never the same twice, and what stands for it.  "4711" on a page is any process.
_VARYING = [
    (re.compile(pattern, re.MULTILINE), stands)
    for pattern, stands in (
        (r"\b[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "DATE"),
        (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|\+0000)?", "MOMENT"),
        (r"\b[0-9a-f]{32}\b", "ID"),
        (r"\b[0-9a-f]{16}\b", "SESSION"),
        (r"(?<!\S)\d+(\.\d+)? ms\b", "TIME"),
        (r"(?<!\S)\d+[dhms]( \d+[dhms])?(?!\w)", "TIME"),
        (r"(?<![\w.])\d+(\.\d+)? ([KMG]i)?B\b", "SIZE"),
        (r"^\d{1,7}(?= +(\w+ +(starttls|implicit|off)|\d+\.\d+\.\d+ ))", "4711"),
    )
]
_ANY = "..."


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """
    Whether a reader sees what the page shows.

    Moments, ids, sizes and the like may be others.  C{...} stands for any part of a line, and alone in a line for any lines.  How much
    white space there is between two words does not count.
    """
    wanted = "".join(_line_pattern(line) for line in _normal("\n".join(shown)).splitlines())
    return re.fullmatch(wanted, _normal(printed)) is not None


def _line_pattern(line: str) -> str:
    if line == _ANY:
        return r"(?:.*\n)*?"
    return ".*?".join(re.escape(part) for part in line.split(_ANY)) + "\n"


def _normal(text: str) -> str:
    text = text.replace("\r", "")
    for pattern, stands in _VARYING:
        text = pattern.sub(stands, text)
    lines = [" ".join(line.split()) for line in text.strip("\n").splitlines()]
    return "".join(f"{line}\n" for line in lines)
