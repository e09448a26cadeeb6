"""
MX, submission and LMTP: the conversation on a transport, with the intake and the portal behind it.

Three configurations of one server (RFC 5321, RFC 6409, RFC 2033).  What the intake answers at once is answered without a Deferred, and
a pipelined burst costs one write.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..interfaces import (
    IAuthenticator,
    IDirectory,
    IIntake,
    ILogin,
    IMailTransaction,
    ISessionChecks,
    ISubmitter,
)
from ..model import limits
from ..model.accounts import Alias
from ..model.addresses import Address
from ..model.envelopes import Origin, Service
from ..model.errors import MailError
from ..model.replies import Reply
from ..protocols.sasl.registry import known
from ..protocols.smtp.conversation import Policy
from ..protocols.smtp.events import (
    AuthenticationAsked,
    Content,
    ContentAsked,
    ContentEnded,
    ContentSpoiled,
    Event,
    KeysAsked,
    MailAsked,
    NamesAsked,
    RecipientAsked,
    Reset,
    TlsAsked,
)
from ..protocols.smtp.server import ServerSide
from .base import Ending, Session, SessionFactory, Terms
from .terms import trust_nobody

log = Logger()

#: What 421 says, and its enhanced code (RFC 5321 section 3.8, RFC 3463).
_FAREWELLS = {
    Ending.DRAINED: ("4.3.2", "is closing; please connect again."),
    Ending.REVOKED: ("4.7.0", "ends this login."),
    Ending.TIMED_OUT: ("4.4.2", "waited too long."),
    Ending.FAILED: ("4.3.0", "has a fault; please try later."),
    Ending.CROWDED: ("4.7.0", "has too many connections; please try later."),
    Ending.EXPELLED: ("4.7.0", "ends this session."),
}


class SmtpSession(Session):
    """
    One SMTP connection.
    """

    factory: SmtpFactory
    idle_timeout = limits.SMTP_COMMAND_TIMEOUT

    def __init__(self) -> None:
        super().__init__()
        self._smtp: ServerSide
        self._login: ILogin | None = None
        self._transaction: IMailTransaction | None = None
        self._is_input_over = False
        #: When the command began of which only a part is there.
        self._begun_at = 0.0
        #: Whether the deadline of content is running.
        self._is_content_timed = False
        #: The client's name that was asked about last.
        self._asked_helo: str | None = None
        #: Where mail comes from, as long as the client is what it was: with what may change of it.
        self._known_origin: tuple[tuple[str, bool, bool], Origin] | None = None

    # What Session asks for.

    def opened(self) -> None:
        """
        Greet (RFC 5321 section 3.1).
        """
        factory = self.factory
        self._smtp = ServerSide(
            factory.policy,
            offers_tls=self.can_start_tls,
            mechanisms=self._mechanisms(),
            needs_login=factory.policy.is_submission and not factory.is_trusted(self.peer),
            tells_names=factory.directory is not None and factory.is_trusted(self.peer),
        )
        self._expect_login()
        if factory.checks is not None and factory.checks.asks_connection:
            self.work(self._check_and_greet(factory.checks))
        else:
            self._smtp.greet()
            self.send(self._smtp.take_output())

    def data_received(self, data: bytes) -> None:
        """
        Work on what came, unless an earlier command is being worked on: then that work goes on with this.
        """
        smtp = self._smtp
        unread = len(smtp.input)
        smtp.receive(data)
        if self.is_busy:
            return
        event = self._next_event()
        if event is not None:
            self.work(self._converse(event))
        else:
            self._tell()
            if self.is_output_full:
                self.work(self._converse(None))
            elif self.ending is not None:
                self._leave_if_possible()
        if unread and not self.is_busy and len(smtp.input) == unread + len(data):
            # A command that does not end: silence is measured from its beginning, else an octet a minute would go on for days.
            self._active_at = self._begun_at
        else:
            self._begun_at = self._active_at

    def unread(self) -> int:
        """
        Commands and content that wait.
        """
        return len(self._smtp.input)

    def farewell(self, ending: Ending) -> bytes:
        """
        421, after the replies that are still to be sent.
        """
        enhanced, text = _FAREWELLS[ending]
        goodbye = Reply(421, f"{self.factory.policy.hostname} {text}", enhanced).encode()
        smtp = getattr(self, "_smtp", None)
        return goodbye if smtp is None else smtp.take_output() + goodbye

    def tls_started(self) -> None:
        """
        All over again, in private.
        """
        self._known_origin = None
        self._smtp.tls_started(self._mechanisms())
        self._expect_login()

    def input_over(self) -> None:
        """
        What was sent before is worked on and answered: scripts talk like that.
        """
        if self.is_busy:
            self._is_input_over = True
        else:
            self.close()

    def may_leave(self) -> bool:
        """
        A message under way may come to its end, unless its sender's login was revoked.
        """
        return not self.is_busy and self._may_stop()

    def about_to_wait(self) -> None:
        """
        Whoever waits for a slow answer has the earlier ones.
        """
        self.send(self._smtp.take_output())

    def closed(self) -> None:
        """
        What was not promised is let go; what is being promised right now goes on.
        """
        if self._login is not None:
            self._login.logout()
        if self.factory.checks is not None:
            self.factory.checks.ended(self.session_id)
        transaction = self._transaction
        if transaction is not None and not self.is_shielded:
            self._transaction = None
            Deferred.fromCoroutine(transaction.abandon()).addErrback(self._abandon_failed)

    def facts(self) -> dict[str, object]:
        """
        What the conversation adds to the log.
        """
        smtp = getattr(self, "_smtp", None)
        return {} if smtp is None else dict(smtp.facts())

    # The conversation.

    async def _check_and_greet(self, checks: ISessionChecks) -> None:
        """
        Greet who is wanted; what they have sent meanwhile is worked on then (RFC 5321 section 3.1: 554 for who is not, 421 for not now).
        """
        try:
            await checks.check_connection(Origin(self.factory.service, self.peer, "", "SMTP", session=self.session_id))
        except MailError as problem:
            self._log_refusal(problem, "connection")
            refusal = Reply(554 if problem.code >= 500 else 421, problem.public, problem.enhanced)
            self.send(refusal.encode())
            self.close()
        else:
            self._smtp.greet()
            await self._converse(self._next_event())

    async def _check_hello(self, checks: ISessionChecks, origin: Origin) -> None:
        """
        @raise MailError: nothing is wanted from a client of that name.
        """
        if origin.helo != self._asked_helo:
            await checks.check_hello(origin)
            self._asked_helo = origin.helo

    async def _converse(self, event: Event | None) -> None:
        while True:
            while event is not None:
                await _ANSWERS[type(event)](self, event)
                event = self._next_event()
            self._tell()
            if not self.is_output_full:
                return
            await self.drained()
            event = self._next_event()

    def _next_event(self) -> Event | None:
        """
        What is to be decided next; C{None} until there is more input, or if nothing more is to be done at all.
        """
        if self.is_closing or (self.ending is not None and self._may_stop()):
            return None
        return self._smtp.next_event()

    def _tell(self) -> None:
        """
        Send what is answered; that may have been the last.
        """
        smtp = self._smtp
        self.send(smtp.take_output())
        if smtp.is_closed or self._is_input_over:
            if smtp.is_expelled:
                self.ending = self.ending or Ending.EXPELLED
            self.close()

    async def _begin(self, event: MailAsked) -> None:
        if self._is_content_timed:
            self._expect_command()
        login, origin, checks = self._login, self._origin(event), self.factory.checks
        try:
            if checks is not None and checks.asks_hello:
                await self._check_hello(checks, origin)
            self._transaction = await self.factory.intake.begin(
                origin, event.sender, event.options, None if login is None else login.avatar
            )
        except MailError as problem:
            self._refuse(problem, "MAIL")
        else:
            self._smtp.accept()

    async def _recipient(self, event: RecipientAsked) -> None:
        try:
            await self._open_transaction().recipient(event.address, event.options)
        except MailError as problem:
            self._refuse(problem, "RCPT", recipient=str(event.address))
        else:
            self._smtp.accept()

    async def _begin_content(self, event: ContentAsked) -> None:
        try:
            await self._open_transaction().begin_content()
        except MailError as problem:
            self._refuse(problem, "DATA")
            await self._abandon()
        else:
            self._smtp.accept()
            self._is_content_timed = True
            self.idle_timeout = limits.SMTP_DATA_TIMEOUT
            self.set_deadline(limits.SMTP_DATA_TOTAL)

    async def _content(self, event: Content) -> None:
        try:
            waiting = self._open_transaction().write(event.data)
            if waiting is not None:
                await waiting
        except MailError as problem:
            self._log_refusal(problem, "content")
            self._smtp.refuse_content(problem)
            await self._abandon()

    async def _content_spoiled(self, event: ContentSpoiled) -> None:
        log.info("refused content of {peer}: {reply}", peer=self.peer, session=self.session_id, reply=event.reply.text)
        await self._abandon()

    async def _content_ended(self, event: ContentEnded) -> None:
        self._expect_command()
        # From here to the reply the promise is being made: a lost connection must not tear it in two.
        self.is_shielded = True
        try:
            queue_id = await self._open_transaction().finish()
        except MailError as problem:
            self._refuse(problem, "content")
            await self._abandon()
        else:
            self._transaction = None
            self._smtp.accept(Reply(250, f"Queued as {queue_id}.", "2.0.0"))
        finally:
            self.is_shielded = False

    async def _reset(self, event: Reset) -> None:
        if self._is_content_timed:
            self._expect_command()
        await self._abandon()

    async def _names(self, event: NamesAsked) -> None:
        directory = self.factory.directory
        assert directory is not None
        try:
            found = await directory.lookup(event.address) if await directory.is_local(event.address.domain) else None
        except MailError as problem:
            self._refuse(problem, "EXPN" if event.is_list else "VRFY")
            return
        if found is None:
            self._smtp.refuse(NOBODY)
        elif isinstance(found, Alias) and event.is_list:
            self._smtp.accept(_names_reply(found.targets, is_utf8=event.is_utf8))
        else:
            self._smtp.accept(_names_reply((found.address,), is_utf8=event.is_utf8))

    async def _find_keys(self, event: KeysAsked) -> None:
        authenticator = self.factory.authenticator
        assert authenticator is not None
        try:
            start = await authenticator.keys(event.name, event.hash_name, peer=self.peer)
        except MailError as problem:
            self._refuse(problem, "AUTH", login=event.name)
        else:
            self._smtp.keys_found(start, self.channel_bindings)

    async def _authenticate(self, event: AuthenticationAsked) -> None:
        authenticator = self.factory.authenticator
        assert authenticator is not None
        try:
            self._login = await authenticator.login(event.secret, ISubmitter, peer=self.peer, revoked=self.revoke)
        except MailError as problem:
            self._refuse(problem, "AUTH", login=event.secret.authcid)
        else:
            self.account, self._known_origin = str(self._login.account.address), None
            self.set_deadline(None)
            self._smtp.accept()

    async def _upgrade(self, event: TlsAsked) -> None:
        self.send(self._smtp.take_output())
        self.start_tls()

    # Inside.

    def _may_stop(self) -> bool:
        return self.ending is Ending.REVOKED or not self._is_receiving_content()

    def _is_receiving_content(self) -> bool:
        smtp = getattr(self, "_smtp", None)
        return smtp is not None and smtp.is_receiving_content

    def _mechanisms(self) -> tuple[str, ...]:
        authenticator = self.factory.authenticator
        if authenticator is None or not self.is_private:
            return ()
        return known(authenticator.mechanisms(is_private=True), has_binding=bool(self.channel_bindings))

    def _expect_command(self) -> None:
        self._is_content_timed = False
        self.idle_timeout = limits.SMTP_COMMAND_TIMEOUT
        self.set_deadline(None)

    def _expect_login(self) -> None:
        if self._smtp.needs_login:
            self.set_deadline(limits.LOGIN_TIMEOUT)

    def _open_transaction(self) -> IMailTransaction:
        assert self._transaction is not None, "There is no transaction."
        return self._transaction

    async def _abandon(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            # It was abandoned when its content was spoiled; now the client says RSET.
            return
        was_shielded, self.is_shielded = self.is_shielded, True
        try:
            await transaction.abandon()
        finally:
            self.is_shielded = was_shielded

    def _abandon_failed(self, failure: Failure) -> None:
        log.failure("a transaction of {peer} could not be abandoned", failure, peer=self.peer, session=self.session_id)

    def _origin(self, event: MailAsked) -> Origin:
        """
        The protocol is as RFC 3848 and RFC 6531 section 4.3 name it.
        """
        smtp, login, known = self._smtp, self._login, self._known_origin
        said = (smtp.helo, smtp.is_extended, event.options.is_utf8)
        if known is not None and known[0] == said:
            return known[1]
        protocol = "SMTP"
        if smtp.is_extended:
            word = "LMTP" if self.factory.policy.is_lmtp else "SMTP" if event.options.is_utf8 else "ESMTP"
            utf8 = "UTF8" if event.options.is_utf8 else ""
            protocol = f"{utf8}{word}{'S' * (self.tls is not None)}{'A' * (login is not None)}"
        origin = Origin(
            self.factory.service,
            self.peer,
            smtp.helo,
            protocol,
            "" if self.tls is None else str(self.tls),
            None if login is None else login.account.id,
            self.account,
            self.session_id,
        )
        self._known_origin = (said, origin)
        return origin

    def _refuse(self, problem: MailError, command: str, **facts: object) -> None:
        self._log_refusal(problem, command, **facts)
        self._smtp.refuse(problem)

    def _log_refusal(self, problem: MailError, command: str, **facts: object) -> None:
        self.factory.refused(1)
        log.info(
            "refused {command} of {peer}: {reply}",
            command=command,
            peer=self.peer,
            session=self.session_id,
            reply=f"{problem.code} {problem.enhanced} {problem.public}",
            **facts,
        )


#: Who answers what; the verbs' order.
_ANSWERS: dict[type[Event], Callable[[SmtpSession, Any], Coroutine[Any, Any, None]]] = {
    MailAsked: SmtpSession._begin,
    RecipientAsked: SmtpSession._recipient,
    ContentAsked: SmtpSession._begin_content,
    Content: SmtpSession._content,
    ContentSpoiled: SmtpSession._content_spoiled,
    ContentEnded: SmtpSession._content_ended,
    Reset: SmtpSession._reset,
    NamesAsked: SmtpSession._names,
    KeysAsked: SmtpSession._find_keys,
    AuthenticationAsked: SmtpSession._authenticate,
    TlsAsked: SmtpSession._upgrade,
}


#: RFC 5321 section 3.5.3.
NOBODY = Reply(550, "Nobody of that name lives here.", "5.1.1")
#: RFC 6531 section 3.7.4.2: the name could be told only in UTF-8, and the client did not say that it may.
NEEDS_UTF8 = Reply(252, "There is such a mailbox, but its name needs SMTPUTF8.", "2.6.8")


def _names_reply(addresses: Sequence[Address], *, is_utf8: bool) -> Reply:
    if not is_utf8 and not all(address.is_ascii for address in addresses):
        return NEEDS_UTF8
    first, *more = (f"<{address}>" for address in addresses)
    return Reply(250, first, "2.1.5", more=tuple(more), is_utf8=is_utf8)


class SmtpFactory(SessionFactory):
    """
    Makes the sessions of one MX, submission or LMTP listener.
    """

    protocol = SmtpSession

    def __init__(
        self,
        terms: Terms,
        *,
        service: Service,
        intake: IIntake,
        authenticator: IAuthenticator | None = None,
        is_trusted: Callable[[str], bool] = trust_nobody,
        directory: IDirectory | None = None,
        message_size: int = limits.MESSAGE_SIZE,
        recipients: int = limits.RECIPIENTS,
        checks: ISessionChecks | None = None,
    ) -> None:
        """
        @param authenticator: who checks logins; without one, none are offered.
        @param is_trusted: whether a peer, by its address, may submit without a login.
        @param checks: the hooks that are asked about a connection, and what the client calls itself.
        @param directory: where VRFY and EXPN of trusted peers are looked up; else they say nothing.
        """
        super().__init__(terms)
        self.service = service
        self.intake = intake
        self.authenticator = authenticator
        self.is_trusted = is_trusted
        self.directory = directory
        self.checks = checks
        self.policy = Policy(
            terms.hostname, message_size, recipients, service is Service.SUBMISSION, service is Service.LMTP
        )
