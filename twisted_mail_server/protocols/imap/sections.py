"""
Sections of a message: what C{BODY[4.2.HEADER]} means.

RFC 3501 section 6.4.5.  "Every message has at least one part number.
Non-[MIME-IMB] messages, and non-multipart [MIME-IMB] messages with no
encapsulated message, only have a part 1."
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from ...message.headers import header_end, select_fields
from ...message.structure import Part, parse

Text = Literal["", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"]


@frozen
class Section:
    """
    A section specification, without its brackets and partial range.

    @ivar part: part numbers, each from 1 on; empty for the message itself.
    @ivar text: what of that part; empty for all of it.
    @ivar fields: field names, for the two that take them.
    """

    part: tuple[int, ...] = ()
    text: Text = ""
    fields: tuple[bytes, ...] = ()


def extract(content: bytes, structure: Part | None, section: Section) -> bytes | None:
    """
    The octets of a section; C{None} when there is no such part.

    @param structure: the message's tree, if it is known; else it is read when
        it is needed.
    """
    if not section.part and section.text != "MIME":
        body = header_end(content) if structure is None else structure.body
        found: tuple[int, int] | None = _of_message(0, body, len(content), section.text)
    else:
        found = span(parse(content) if structure is None else structure, section)
    if found is None:
        return None
    octets = content[found[0] : found[1]]
    if section.text in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        return select_fields(octets, section.fields, section.text == "HEADER.FIELDS.NOT")
    return octets


def span(structure: Part, section: Section) -> tuple[int, int] | None:
    """
    Where a section stands in the message: for fields, the whole header.

    A caller that keeps the tree can send a part without reading the rest.
    """
    if not section.part:
        if section.text == "MIME":
            return None
        return _of_message(structure.start, structure.body, structure.end, section.text)
    part = find_part(structure, section.part)
    if part is None:
        return None
    if section.text == "":
        return part.body, part.end
    if section.text == "MIME":
        return part.start, part.body
    # The others ask for the header or text of a message/rfc822 part.
    message = part.message
    return None if message is None else _of_message(message.start, message.body, message.end, section.text)


def _of_message(start: int, body: int, end: int, text: str) -> tuple[int, int]:
    """
    Header, text or all of a message.
    """
    if text == "":
        return start, end
    return (body, end) if text == "TEXT" else (start, body)


def find_part(structure: Part, numbers: tuple[int, ...]) -> Part | None:
    """
    The part that those numbers lead to, if there is one; they are not empty.
    """
    choices = _numbered(structure)
    part: Part | None = None
    for number in numbers:
        if not 1 <= number <= len(choices):
            return None
        part = choices[number - 1]
        if part.kind == "multipart":
            choices = part.children
        else:
            choices = [] if part.message is None else _numbered(part.message)
    return part


def _numbered(root: Part) -> list[Part]:
    """
    The parts of a message by number: itself, if it is no multipart.
    """
    return root.children if root.kind == "multipart" else [root]
