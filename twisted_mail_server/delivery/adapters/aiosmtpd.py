"""
Handlers of C{aiosmtpd}, unchanged: C{handle_HELO}, C{handle_EHLO}, C{handle_MAIL}, C{handle_RCPT}, C{handle_DATA}.

The library itself is not needed.  HELO and EHLO are asked about with the first MAIL.  The other C{handle_} methods are about the
conversation, which is this server's own affair, and are not called.  A handler that waits for something of C{asyncio} needs the
server to run on it: C{twistd --reactor=asyncio}.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_mail_server.delivery.adapters.sessions import Sessions
from twisted_mail_server.interfaces import IContentCheck, IHelloCheck, IReadable, IRecipientCheck, ISenderCheck
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import BodyKind, Envelope, Origin
from twisted_mail_server.model.verdicts import Accept, Answer, Redirect, Taken, read_reply

#: Arguments of a C{handle_EHLO} that gets, and returns, the list of what the server offers.
_WITH_RESPONSES = 5


@define(eq=False, slots=False)
class LikeSession:
    """
    As C{aiosmtpd.smtp.Session}; a handler may keep what it likes in it.
    """

    peer: tuple[str, int]
    host_name: str | None = None
    extended_smtp: bool = False
    ssl: object = None
    login_data: bytes | None = None
    auth_data: object = None
    authenticated: bool | None = None


@define(eq=False, slots=False)
class LikeEnvelope:
    """
    As C{aiosmtpd.smtp.Envelope}.
    """

    mail_from: str | None = None
    mail_options: list[str] = field(factory=list)
    smtp_utf8: bool = False
    content: bytes | str | None = None
    original_content: bytes | None = None
    rcpt_tos: list[str] = field(factory=list)
    rcpt_options: list[str] = field(factory=list)


@define(eq=False, slots=False)
class LikeServer:
    """
    What a handler may ask of C{aiosmtpd.smtp.SMTP}.
    """

    hostname: str

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """
        The event loop, where there is one.
        """
        return _loop()


@define(eq=False)
class _State:
    session: LikeSession
    envelope: LikeEnvelope = field(factory=LikeEnvelope)
    #: What the handler took down for each address that RCPT named.
    named: dict[str, list[str]] = field(factory=dict)


@implementer(IHelloCheck, ISenderCheck, IRecipientCheck, IContentCheck)
class AiosmtpdHandler:
    """
    A handler as a hook.

    @param takes: whether a message that C{handle_DATA} accepts is the handler's alone, as it is in C{aiosmtpd}: then any recipient
        is accepted that C{handle_RCPT} does not refuse.  Without it the handler is asked, and the server delivers.
    @param decode_data: whether C{content} is text.
    """

    def __init__(self, handler: object, hostname: str, *, takes: bool = False, decode_data: bool = False) -> None:
        self._handler = handler
        self._server = LikeServer(hostname)
        self._takes = takes
        self._decodes = decode_data
        self._sessions: Sessions[_State] = Sessions(lambda origin: _State(LikeSession((origin.peer, 0))))

    async def hello(self, session: Origin) -> Answer:
        """
        C{handle_EHLO} or C{handle_HELO}.
        """
        state = self._state(session)
        is_extended = session.protocol != "SMTP"
        method = getattr(self._handler, "handle_EHLO" if is_extended else "handle_HELO", None)
        answer: Answer = None
        if method is not None:
            args: list[Any] = [self._server, state.session, state.envelope, session.helo]
            if is_extended and len(inspect.signature(method).parameters) == _WITH_RESPONSES:
                replies = await _result(method(*args, []))
                answer = [read_reply(line) for line in replies]
            else:
                answer = await _result(method(*args))
        state.session.host_name = session.helo
        return answer

    async def sender(self, envelope: Envelope) -> Answer:
        """
        C{handle_MAIL}; an envelope begins.
        """
        state = self._state(envelope.origin)
        state.envelope, state.named = LikeEnvelope(smtp_utf8=envelope.options.is_utf8), {}
        sender, options = str(envelope.sender or ""), _mail_options(envelope)
        method = getattr(self._handler, "handle_MAIL", None)
        if method is None:
            state.envelope.mail_from, state.envelope.mail_options = sender, options
            return None
        answer: Answer = await _result(method(self._server, state.session, state.envelope, sender, options))
        return answer

    async def recipient(self, envelope: Envelope, recipient: Address) -> Answer:
        """
        C{handle_RCPT}.  One that notes another address than it was asked about redirects the mail there.
        """
        state = self._state(envelope.origin)
        named = str(recipient)
        method = getattr(self._handler, "handle_RCPT", None)
        before = len(state.envelope.rcpt_tos)
        answer: Answer = None
        if method is None:
            state.envelope.rcpt_tos.append(named)
        else:
            answer = await _result(method(self._server, state.session, state.envelope, named, []))
            if isinstance(answer, str):
                answer = read_reply(answer)
        if answer is not None and not isinstance(answer, Accept):
            del state.envelope.rcpt_tos[before:]
            return answer
        noted = state.envelope.rcpt_tos[before:] or [named]
        state.named[named] = noted
        if self._takes:
            return Taken("aiosmtpd handler")
        return Redirect(Address.parse(noted[0])) if noted[0] != named else None

    async def content(self, envelope: Envelope, content: IReadable) -> Answer:
        """
        C{handle_DATA}, with the whole message in memory, as C{aiosmtpd} has it.
        """
        method = getattr(self._handler, "handle_DATA", None)
        if method is None:
            return Taken("aiosmtpd handler") if self._takes else None
        state = self._state(envelope.origin)
        octets = await content.read(0, content.size)
        given = state.envelope
        given.original_content = octets
        given.content = octets.decode("utf-8", "surrogateescape") if self._decodes else octets
        if given.mail_from is None:
            given.mail_from = str(envelope.sender or "")
        if not self._takes:
            accepted = (str(one.named or one.address) for one in envelope.recipients)
            given.rcpt_tos = list(dict.fromkeys(noted for one in accepted for noted in state.named.get(one, [one])))
        answer = await _result(method(self._server, state.session, given))
        state.envelope, state.named = LikeEnvelope(), {}
        verdict = Accept() if answer is None else read_reply(answer)
        return Taken("aiosmtpd handler") if self._takes and isinstance(verdict, Accept) else verdict

    def _state(self, origin: Origin) -> _State:
        state = self._sessions.of(origin)
        session = state.session
        session.extended_smtp = origin.protocol != "SMTP"
        session.ssl = origin.tls or None
        session.authenticated = True if origin.account is not None else session.authenticated
        session.login_data = origin.login.encode() if origin.login else session.login_data
        session.host_name = session.host_name or origin.helo or None
        return state


def _mail_options(envelope: Envelope) -> list[str]:
    options = envelope.options
    words = [f"SIZE={options.size}"] if options.size else []
    if options.body is not BodyKind.SEVEN_BIT:
        words.append(f"BODY={options.body.value}")
    return [*words, "SMTPUTF8"] if options.is_utf8 else words


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _result(found: Any) -> Any:
    """
    What a method gives that need not be a coroutine; one that is runs as a task of C{asyncio}, where that runs.
    """
    if not inspect.isawaitable(found):
        return found
    loop = _loop()
    if loop is None or not inspect.iscoroutine(found):
        return await found
    task: Coroutine[Any, Any, Any] = found
    return await Deferred.fromFuture(loop.create_task(task))
