"""
APPEND (RFC 3501 section 6.3.11).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ....interfaces import IStagedContent
from ....model import limits
from ....model.errors import MessageTooBig, NoSuchMailbox, NoSuchTarget, Refused, SyntaxProblem
from .. import wire
from ..grammar import read_date_time, read_flag_list
from ..vocabulary import ENTERED, Command, Cursor, Outcome, Session


@frozen
class Append:
    """
    What APPEND takes, before the message.
    """

    mailbox: str
    flags: tuple[str, ...]
    #: Seconds since 1970, if the client says.
    internal_date: int | None


def read_append(cursor: Cursor, session: Session) -> Append:
    """
    C{append}, up to its literal.

    @raise SyntaxProblem: that is not how it goes, or no literal follows.
    """
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    flags: list[str] = []
    if cursor.peek(b"("):
        flags = read_flag_list(cursor)
        cursor.space()
    internal_date = None
    if cursor.peek(b'"'):
        internal_date = read_date_time(cursor)
        cursor.space()
    if session.incoming.literal is None:
        raise SyntaxProblem("A message comes as a literal.")
    if not session.incoming.literal.size:
        raise Refused("An empty message is none.")
    return Append(mailbox, tuple(flags), internal_date)


def is_content(pieces: Sequence[bytes]) -> bool:
    """
    Whether the next literal is the message: it is, unless it is the name of the mailbox.
    """
    return len(pieces) > 1 or pieces[0] != b" "


async def append(session: Session, arguments: Append) -> Outcome:
    """
    Stream the message into the store.  What can be refused is refused before the client sends it, if it waits to be asked.

    @raise NoSuchTarget: there is no such mailbox.
    @raise MessageTooBig: it is too large.
    @raise SyntaxProblem: it holds NUL, or something follows it.
    """
    account = session.account
    literal = session.incoming.literal
    if literal is not None and literal.size > session.settings.message_size:
        raise MessageTooBig(f"A message has at most {session.settings.message_size} octets.")
    try:
        await account.status(arguments.mailbox)
    except NoSuchMailbox as problem:
        raise NoSuchTarget(problem.public) from None
    content = account.stage()
    try:
        await _receive(session, content)
        await content.finish()
    except BaseException:
        await content.discard()
        raise
    internal_date = session.driver.now() if arguments.internal_date is None else arguments.internal_date
    result = await account.append(arguments.mailbox, [(content, arguments.flags, internal_date)])
    return Outcome("Appended.", code=wire.appended(result))


async def _receive(session: Session, content: IStagedContent) -> None:
    incoming = session.incoming
    while octets := await incoming.piece():
        # literal = "{" number "}" CRLF *CHAR8 ; CHAR8 = %x01-ff
        if b"\0" in octets:
            raise SyntaxProblem("A message holds no NUL here.")
        waiting = content.write(octets)
        if waiting is not None:
            await waiting
    if await incoming.text(limits.IMAP_COMMAND_LINE) or incoming.literal is not None:
        raise SyntaxProblem("There is more than the command takes.")


COMMANDS = (Command(b"APPEND", ENTERED, read_append, append, streams=is_content),)
