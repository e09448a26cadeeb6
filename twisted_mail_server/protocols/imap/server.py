"""
The server's side of a conversation: collect a command, do it, answer it, tell the news; then the next (RFC 3501 section 3).

Whoever drives a conversation sends C{greeting}, gives what the client sends to C{receive}, and awaits C{run} whenever
C{has_command}; it closes the connection when C{is_over}.
"""

from __future__ import annotations

import re
from contextlib import suppress

from attrs import evolve

from ...model import limits
from ...model.errors import MailError, OutOfTurn, PeerError, SyntaxProblem, TooLong
from . import wire
from .cursor import Cursor
from .fetching import LiteralBroken
from .reading import Ended
from .session import Driver, Session, Settings
from .vocabulary import Command, Outcome


class LiteralTooBig(TooLong):
    """
    A literal that came without being asked for is larger than LITERAL- allows (RFC 7888 section 5).
    """

    imap_code = "TOOBIG"


# tag = 1*<any ASTRING-CHAR except "+">
_TAG = re.compile(rb"[^\x00-\x20(){%*\"\\\x7f-\xff+]{1,256}(?= |\Z)")
# The name of a command, or of one after UID.
_NAME = re.compile(rb" (?P<name>(?:[Uu][Ii][Dd] )?[A-Za-z0-9.\-]{1,40})(?= |\Z)")


class Conversation:
    """
    One connection's conversation.
    """

    def __init__(self, settings: Settings, driver: Driver) -> None:
        self.session = Session(settings, driver)
        self._driver = driver
        self._unauthenticated = 0
        self._errors = 0
        #: Commands that were answered NO or BAD.
        self.refusals = 0
        #: Whether it ended because the client went too far.
        self.is_expelled = False

    @property
    def greeting(self) -> bytes:
        """
        What the server says first (RFC 3501 section 7.1.1).
        """
        session = self.session
        return wire.condition(b"OK", f"{session.settings.hostname} is ready.", session.registry.capabilities(session))

    @property
    def is_over(self) -> bool:
        """
        Whether the connection is to be closed.
        """
        return self.session.is_over

    @property
    def unread(self) -> int:
        """
        Octets that wait for their turn: none while a command waits for them.
        """
        return 0 if self.session.is_waiting else self.session.incoming.size

    def receive(self, data: bytes) -> None:
        """
        Take what the client sent, in whatever pieces.
        """
        self.session.incoming.receive(data)
        if self.session.login is None:
            self._unauthenticated += len(data)

    @property
    def has_command(self) -> bool:
        """
        Whether C{run} would find something to do.
        """
        return not self.is_over and self.session.incoming.has_line(limits.IMAP_COMMAND_LINE)

    async def run(self) -> None:
        """
        Do one command after the other, to the last that has begun to come.
        """
        session = self.session
        try:
            while self.has_command and not self._driver.is_leaving:
                await self._next()
        except Ended as ended:
            session.put(wire.condition(b"BYE", ended.public, ended.code))
            session.is_over = True
            self.is_expelled = ended.is_expulsion
        except LiteralBroken as problem:
            # The client waits for octets that will never come; nothing said now would be read as a response.
            self._driver.broke_off(str(problem.__cause__ or problem))
            session.is_over = True
        await session.flush()

    async def close(self) -> None:
        """
        The connection is gone: let go of everything.
        """
        session = self.session
        session.is_over = True
        login, session.login = session.login, None
        if login is not None:
            login.logout()
        await session.leave()

    async def _next(self) -> None:
        session = self.session
        incoming = session.incoming
        if self._unauthenticated > limits.UNAUTHENTICATED_BYTES and session.login is None:
            raise Ended("That is too much before login.")
        tag = b"*"
        command: Command | None = None
        try:
            try:
                line = await incoming.text(limits.IMAP_COMMAND_LINE)
            except PeerError:
                tag = _read_tag(incoming.refused)
                raise
            tag = session.tag = _read_tag(line)
            command = self._command(line[len(tag) :])
            outcome = await self._perform(command, await self._collect(line, len(tag), command))
        except LiteralBroken:
            raise
        except PeerError as problem:
            outcome = _answer(problem, b"BAD")
            self._errors += 1
            self.refusals += 1
        except MailError as problem:
            outcome = _answer(problem, b"NO")
            self.refusals += 1
        try:
            await incoming.abandon()
        except Ended:
            session.put(wire.condition(outcome.status, outcome.text, outcome.code, tag=tag))
            raise
        await self._finish(tag, outcome, command)

    def _command(self, rest: bytes) -> Command:
        found = _NAME.match(rest)
        command = None if found is None else self.session.registry.commands.get(found["name"].upper())
        if command is None:
            raise SyntaxProblem("There is no such command.")
        if self.session.state not in command.states:
            raise OutOfTurn(f"{command.name.decode('ascii')} cannot come {self.session.state.value}.")
        return command

    async def _collect(self, line: bytes, start: int, command: Command) -> Cursor:
        """
        Take the literals of a command, but not content that it takes itself.
        """
        session = self.session
        incoming = session.incoming
        pieces = [line[start + 1 + len(command.name) :]]
        lines = len(line)
        literals = 0
        most = limits.IMAP_LITERAL_UNAUTHENTICATED if session.login is None else limits.IMAP_LITERALS
        while (literal := incoming.literal) is not None:
            unasked = session.settings.unasked_literal
            if unasked is not None and not literal.is_synchronising and literal.size > unasked:
                raise LiteralTooBig(f"A literal that nobody asked for has at most {unasked} octets.")
            if command.streams is not None and command.streams(pieces):
                break
            if literal.is_binary:
                raise SyntaxProblem("A literal8 cannot stand here.")
            literals += literal.size
            if literals > most:
                raise TooLong(f"The literals of a command have at most {most} octets.")
            pieces.append(await incoming.octets())
            piece = await incoming.text(limits.IMAP_COMMAND_LINE - lines)
            # Counted with its announcement, so that a great many small literals are a long line.
            lines += len(piece) + 8
            pieces.append(piece)
            if lines > limits.IMAP_COMMAND_LINE:
                raise TooLong(f"A command line has at most {limits.IMAP_COMMAND_LINE} octets.")
        return Cursor(pieces, separator=session.settings.separator, has_utf8_names=session.has_utf8_names)

    async def _perform(self, command: Command, cursor: Cursor) -> Outcome:
        session = self.session
        arguments = command.read(cursor, session)
        cursor.end()
        try:
            return await command.act(session, arguments)
        except (MailError, Ended):
            raise
        except Exception as problem:
            # A bug must not end the session of who met it.
            if self._driver.is_closing:
                raise
            self._driver.failed(problem, command.name.decode("ascii"))
            return Outcome("That went wrong here, and was written down.", b"NO", b"SERVERBUG")

    async def _finish(self, tag: bytes, outcome: Outcome, command: Command | None) -> None:
        session = self.session
        if session.selected is not None:
            defers = command is None or command.defers_expunge or outcome.defers_expunge
            # What was done is done, and is answered: news that cannot be had now is told another time.
            with suppress(MailError):
                await session.news(defers_expunge=defers)
            outcome = _with_modseq(session, outcome)
        session.put(wire.condition(outcome.status, outcome.text, outcome.code, tag=tag))
        if outcome.status == b"OK" and session.login is not None:
            # A session lasts for days, and some clients ask again and again for what we do not have.
            self._errors = 0
        if outcome.is_last:
            session.is_over = True
        if outcome.then is not None:
            await session.flush()
            outcome.then()
        if self._errors >= limits.ERRORS_PER_SESSION:
            raise Ended("Too many errors.", b"CLIENTBUG")
        if session.failed_logins >= limits.LOGINS_PER_SESSION:
            raise Ended("Too many failed logins.", b"LIMIT")


def _with_modseq(session: Session, outcome: Outcome) -> Outcome:
    """
    Tell the highest MODSEQ, if it is to be told: in the tagged response, where that has room for it (RFC 7162 section 3.2.7).
    """
    code = session.modseq_code()
    if code and outcome.status == b"OK" and not outcome.code:
        return evolve(outcome, code=code)
    if code:
        session.put(wire.condition(b"OK", "The highest so far.", code))
    return outcome


def _read_tag(line: bytes) -> bytes:
    found = _TAG.match(line)
    if found is None:
        raise SyntaxProblem("A command begins with a tag.")
    return found[0]


def _answer(problem: MailError, status: bytes) -> Outcome:
    return Outcome(problem.public, status, problem.imap_code.encode("ascii"))
