"""
APPEND (RFC 3501 section 6.3.11), of several messages too (RFC 3502).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ....interfaces import IStagedContent
from ....model import limits
from ....model.errors import MessageTooBig, NoSuchMailbox, NoSuchTarget, OverLimit, Refused, SyntaxProblem
from .. import wire
from ..grammar import read_date_time, read_flag_list
from ..vocabulary import ENTERED, Command, Cursor, Outcome, Session

Staged = tuple[IStagedContent, tuple[str, ...], int]


class HoldsNul(Refused):
    """
    A message was sent as a C{literal8} for the NUL in it; no mailbox here keeps such (RFC 3516 section 4.4).
    """

    imap_code = "UNKNOWN-CTE"


@frozen
class Announced:
    """
    A message that comes next, and what is said of it.
    """

    flags: tuple[str, ...]
    #: Seconds since 1970, if the client says.
    internal_date: int | None
    #: Whether it stands in parentheses, for its header may be in UTF-8 (RFC 6855 section 4).
    is_enclosed: bool


@frozen
class Append:
    """
    What APPEND takes, before the first message.
    """

    mailbox: str
    first: Announced


def read_append(cursor: Cursor, session: Session) -> Append:
    """
    C{append}, up to its first literal.

    @raise SyntaxProblem: that is not how it goes, or no literal follows.
    """
    # append = "APPEND" SP mailbox 1*append-message                                            ; RFC 3502
    cursor.space()
    return Append(cursor.mailbox(), _read_message(cursor, session))


def _read_message(cursor: Cursor, session: Session) -> Announced:
    # append-message = [SP flag-list] [SP date-time] SP literal ; literal =/ literal8          ; RFC 3502, RFC 4466 section 6
    # literal =/ "UTF8" SP "(" literal8 ")"                                                    ; RFC 6855 section 4
    cursor.space()
    flags: list[str] = []
    if cursor.peek(b"("):
        flags = read_flag_list(cursor)
        cursor.space()
    internal_date = None
    if cursor.peek(b'"'):
        internal_date = read_date_time(cursor)
        cursor.space()
    is_enclosed = cursor.skip(b"UTF8 (")
    cursor.end()
    literal = session.incoming.literal
    if literal is None or (is_enclosed and not literal.is_binary):
        raise SyntaxProblem("A message comes as a literal.")
    if not literal.size:
        # "This can be used to cancel the append."                                             ; RFC 3502
        raise Refused("An empty message is none.")
    return Announced(tuple(flags), internal_date, is_enclosed)


def is_content(pieces: Sequence[bytes]) -> bool:
    """
    Whether the next literal is the message: it is, unless it is the name of the mailbox.
    """
    return len(pieces) > 1 or pieces[0] != b" "


async def append(session: Session, arguments: Append) -> Outcome:
    """
    Stream the messages into the store, all or none.  What can be refused is refused before the client sends it, if it waits to
    be asked.

    @raise NoSuchTarget: there is no such mailbox.
    @raise MessageTooBig: one is too large.
    @raise OverLimit: they are too many.
    @raise SyntaxProblem: one holds NUL, or something follows them.
    @raise HoldsNul: one holds NUL, where the client may send that.
    """
    account = session.account
    _check_size(session)
    try:
        await account.status(arguments.mailbox)
    except NoSuchMailbox as problem:
        raise NoSuchTarget(problem.public) from None
    staged: list[Staged] = []
    message: Announced | None = arguments.first
    try:
        while message is not None:
            if len(staged) == limits.APPEND_MESSAGES:
                raise OverLimit(f"APPEND takes at most {limits.APPEND_MESSAGES} messages.")
            _check_size(session)
            internal_date = session.driver.now() if message.internal_date is None else message.internal_date
            content = account.stage()
            staged.append((content, message.flags, internal_date))
            message = await _receive(session, content, message)
            await content.finish()
    except BaseException:
        for content, _, _ in staged:
            await content.discard()
        raise
    result = await account.append(arguments.mailbox, staged)
    return Outcome("Appended.", code=wire.appended(result))


def _check_size(session: Session) -> None:
    literal, settings = session.incoming.literal, session.settings
    size = 0 if literal is None else literal.size
    if size > settings.message_size:
        raise MessageTooBig(f"A message has at most {settings.message_size} octets.")
    unasked = settings.unasked_literal
    if unasked is not None and literal is not None and not literal.is_synchronising and size > unasked:
        # RFC 7888 section 5.
        raise MessageTooBig(f"A literal that nobody asked for has at most {unasked} octets.")


async def _receive(session: Session, content: IStagedContent, message: Announced) -> Announced | None:
    """
    Take one message; the next, if one follows.
    """
    incoming = session.incoming
    is_binary = incoming.literal is not None and incoming.literal.is_binary
    while octets := await incoming.piece():
        # literal = "{" number "}" CRLF *CHAR8 ; CHAR8 = %x01-ff ; literal8 = "~{" number "}" CRLF *OCTET
        if b"\0" in octets:
            if is_binary:
                raise HoldsNul("A message with NUL cannot be kept here.")
            raise SyntaxProblem("A message holds no NUL here.")
        waiting = content.write(octets)
        if waiting is not None:
            await waiting
    rest = await incoming.text(limits.IMAP_COMMAND_LINE)
    if message.is_enclosed:
        if not rest.startswith(b")"):
            raise SyntaxProblem("Expected a parenthesis.")
        rest = rest[1:]
    if not rest and incoming.literal is None:
        return None
    return _read_message(Cursor((rest,)), session)


COMMANDS = (Command(b"APPEND", ENTERED, read_append, append, streams=is_content),)
