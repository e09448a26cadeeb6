"""
POP3: the conversation on a transport, with the portal and a maildrop behind it (RFC 1939).

The maildrop is INBOX, as it was at login.  Its lock and its view are held from login to the end of the session, whatever
that end is; what is marked as deleted goes in one transaction at QUIT, and at no other end.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..interfaces import IAuthenticator, IContent, IFileLock, ILogin, IMailboxView, IMailUser
from ..model import limits
from ..model.accounts import AccountId, Secret
from ..model.errors import MailError, Throttled
from ..model.mailboxes import INBOX
from ..protocols.pop3.conversation import Surroundings
from ..protocols.pop3.events import Event, KeysAsked, LoginAsked, MessageAsked, OutputFilled, RemovalAsked, TlsAsked
from ..protocols.pop3.maildrop import Maildrop
from ..protocols.pop3.responses import error
from ..protocols.pop3.server import ServerSide
from ..protocols.sasl.registry import known
from .base import Ending, Session, SessionFactory, Terms

log = Logger()

#: RFC 3206 section 4: none of these is about the user's credentials, and all of them pass.
_FAREWELLS = {
    Ending.DRAINED: "The server is closing; please connect again.",
    Ending.REVOKED: "This login has ended; please log in again.",
    Ending.FAILED: "The server has a fault; please try later.",
    Ending.CROWDED: "There are too many connections; please try later.",
    Ending.EXPELLED: "This session has ended.",
}


class Pop3Session(Session):
    """
    One POP3 connection.
    """

    factory: Pop3Factory

    def __init__(self) -> None:
        super().__init__()
        self._pop3: ServerSide | None = None
        self._login: ILogin | None = None
        self._lock: IFileLock | None = None
        self._view: IMailboxView | None = None
        self._retrieved = self._removed = 0

    # What Session asks for.

    def opened(self) -> None:
        """
        Greet.
        """
        self._pop3 = ServerSide(self.factory.terms.hostname, self._surroundings())
        self.set_deadline(limits.LOGIN_TIMEOUT)
        self._pop3.greet()
        self.send(self._pop3.take_output())

    def data_received(self, data: bytes) -> None:
        """
        Work on what came, unless an earlier command is being worked on: then that work goes on with this.
        """
        self._engine.receive(data)
        if not self.is_busy:
            self.work(self._converse())

    def unread(self) -> int:
        """
        Commands that wait.
        """
        return self._engine.unread

    def farewell(self, ending: Ending) -> bytes:
        """
        Why the session ends.

        RFC 1939 section 3: after a time of silence the server closes the connection "without ... sending any response".  In the
        midst of a message nothing can be said either.
        """
        pop3 = self._pop3
        if ending is Ending.TIMED_OUT or (pop3 is not None and pop3.is_sending_message):
            return b""
        goodbye = error(_FAREWELLS[ending], "SYS/TEMP")
        return goodbye if pop3 is None else pop3.take_output() + goodbye

    def tls_started(self) -> None:
        """
        All over again, in private.
        """
        self._engine.tls_started(self._surroundings())
        self.set_deadline(limits.LOGIN_TIMEOUT)

    def closed(self) -> None:
        """
        Nothing is deleted; what is being removed right now, after QUIT, is removed to the end and lets go then.
        """
        if not self.is_shielded:
            Deferred.fromCoroutine(self._let_go()).addErrback(self._letting_go_failed)

    def facts(self) -> dict[str, object]:
        """
        What the log tells at the end.
        """
        return {"retrieved": self._retrieved, "removed": self._removed}

    # The conversation.

    async def _converse(self) -> None:
        pop3 = self._engine
        while True:
            while not self.is_closing and self.ending is None:
                event = pop3.next_event()
                if event is None:
                    break
                await _ANSWERS[type(event)](self, event)
            self.send(pop3.take_output())
            if pop3.is_closed:
                self.close()
            if not self.is_output_full:
                return
            await self.drained()

    async def _make_room(self, event: OutputFilled) -> None:
        await self.write(self._engine.take_output())

    async def _log_in(self, event: LoginAsked) -> None:
        try:
            maildrop = await self._open_maildrop(event.secret)
        except MailError as problem:
            self._log_refusal(problem, event.method, login=event.secret.authcid)
            await self._let_go()
            self._engine.refuse_login(problem)
        else:
            self._engine.enter(maildrop)
            self.set_deadline(None)
            self.set_idle_timeout(limits.POP3_IDLE_TIMEOUT)

    async def _find_keys(self, event: KeysAsked) -> None:
        try:
            start = await self.factory.authenticator.keys(event.name, event.hash_name, peer=self.peer)
        except MailError as problem:
            self._log_refusal(problem, "AUTH", login=event.name)
            self._engine.refuse_login(problem)
        else:
            self._engine.keys_found(start, self.channel_bindings)

    async def _open_maildrop(self, secret: Secret) -> Maildrop:
        """
        Log in, lock, and look what there is.  C{\\Recent} stays for whoever comes by IMAP.
        """
        login = self._login = await self.factory.authenticator.login(
            secret, IMailUser, peer=self.peer, revoked=self.revoke
        )
        self.account = str(login.account.address)
        self.factory.check_delay(login.account.id)
        mail = login.avatar.mail
        self._lock = await mail.lock_maildrop()
        view = self._view = await mail.select(INBOX, claim_recent=False)
        everything = view.snapshot.uids
        uids: list[int] = []
        sizes: list[int] = []
        for start in range(0, len(everything), limits.FETCH_BATCH_ROWS):
            for row in await view.fetch(everything[start : start + limits.FETCH_BATCH_ROWS]):
                uids.append(row.uid)
                sizes.append(row.size)
        self.factory.has_entered(login.account.id)
        return Maildrop(view.uidvalidity, uids, sizes)

    async def _send_message(self, event: MessageAsked) -> None:
        try:
            content = await self._opened_view.open_content(event.uid)
        except MailError as problem:
            self._refuse(problem, "RETR")
            return
        try:
            await self._stream(content)
        finally:
            content.close()

    async def _stream(self, content: IContent) -> None:
        """
        A message in pieces, as fast as the client takes them.
        """
        pop3 = self._engine
        try:
            piece = await content.read(0, limits.CONTENT_PIECE)
        except MailError as problem:
            self._refuse(problem, "RETR")
            return
        pop3.begin_message(content.size)
        sent = len(piece)
        while pop3.add_to_message(piece) and sent < content.size:
            await self.write(pop3.take_output())
            try:
                piece = await content.read(sent, limits.CONTENT_PIECE)
            except MailError as problem:
                self._break_off(problem.public)
                return
            if not piece:
                self._break_off("The message is shorter than it was.")
                return
            sent += len(piece)
        pop3.end_message()
        self._retrieved += 1

    def _break_off(self, reason: str) -> None:
        """
        In the midst of a message only the end of the connection says that it is not whole.
        """
        log.error("a message broke off for {peer}: {reason}", peer=self.peer, session=self.session_id, reason=reason)
        self.abort()

    async def _remove(self, event: RemovalAsked) -> None:
        """
        UPDATE.  The client has said QUIT: a connection lost now changes nothing, and the lock stays until it is done.
        """
        problem: MailError | None = None
        self.is_shielded = True
        try:
            if event.uids:
                self._removed = len(await self._opened_view.expunge(event.uids, only_deleted=False))
        except MailError as raised:
            problem = raised
        finally:
            self.is_shielded = False
            await self._let_go()
        if problem is None:
            self._engine.finish()
        else:
            self._refuse(problem, "QUIT")

    async def _upgrade(self, event: TlsAsked) -> None:
        self.send(self._engine.take_output())
        self.start_tls()

    # Inside.

    @property
    def _engine(self) -> ServerSide:
        assert self._pop3 is not None, "Nobody was greeted."
        return self._pop3

    @property
    def _opened_view(self) -> IMailboxView:
        assert self._view is not None, "Nobody has logged in."
        return self._view

    def _surroundings(self) -> Surroundings:
        mechanisms = self.factory.authenticator.mechanisms(is_private=self.is_private)
        offered = known(mechanisms, has_binding=bool(self.channel_bindings))
        has_tls = self.tls is not None
        return Surroundings(self.is_private, self.can_start_tls, has_tls, offered, self.factory.login_delay)

    async def _let_go(self) -> None:
        """
        Give back lock, login and view; harmless twice.
        """
        view, self._view = self._view, None
        lock, self._lock = self._lock, None
        login, self._login = self._login, None
        if lock is not None:
            lock.release()
        if login is not None:
            login.logout()
        if view is not None:
            await view.close()

    def _letting_go_failed(self, failure: Failure) -> None:
        log.failure("the maildrop of {peer} could not be closed", failure, peer=self.peer, session=self.session_id)

    def _refuse(self, problem: MailError, command: str) -> None:
        self._log_refusal(problem, command)
        self._engine.refuse(problem)

    def _log_refusal(self, problem: MailError, command: str, **facts: object) -> None:
        self.factory.refused(1)
        log.info(
            "refused {command} of {peer}: {reply}",
            command=command,
            peer=self.peer,
            session=self.session_id,
            reply=problem.public,
            **facts,
        )


#: Who answers what.
_ANSWERS: dict[type[Event], Callable[[Pop3Session, Any], Coroutine[Any, Any, None]]] = {
    LoginAsked: Pop3Session._log_in,
    KeysAsked: Pop3Session._find_keys,
    MessageAsked: Pop3Session._send_message,
    RemovalAsked: Pop3Session._remove,
    TlsAsked: Pop3Session._upgrade,
    OutputFilled: Pop3Session._make_room,
}


class Pop3Factory(SessionFactory):
    """
    Makes the sessions of one POP3 listener.
    """

    protocol = Pop3Session

    def __init__(self, terms: Terms, *, authenticator: IAuthenticator, login_delay: int = 0) -> None:
        """
        @param authenticator: who checks logins.
        @param login_delay: seconds that have to pass between two logins of one account (RFC 2449 section 6.5).
        """
        super().__init__(terms)
        self.authenticator = authenticator
        self.login_delay = login_delay
        #: When accounts have logged in, the oldest first.
        self._entered: dict[AccountId, float] = {}

    def succeed(self, earlier: SessionFactory) -> None:
        """
        Who has logged in there has logged in here.
        """
        super().succeed(earlier)
        if isinstance(earlier, Pop3Factory):
            self._entered = earlier._entered

    def check_delay(self, account: AccountId) -> None:
        """
        Whether that account may log in now.

        @raise Throttled: it has done so not long ago.
        """
        before = self._entered.get(account)
        if before is not None and self.terms.clock.seconds() < before + self.login_delay:
            raise Throttled(f"There have to be {self.login_delay} seconds between two logins.")

    def has_entered(self, account: AccountId) -> None:
        """
        It has logged in; those for whom the time is over are forgotten.
        """
        if not self.login_delay:
            return
        now = self.terms.clock.seconds()
        self._entered.pop(account, None)
        self._entered[account] = now
        while (oldest := next(iter(self._entered))) != account and self._entered[oldest] + self.login_delay <= now:
            del self._entered[oldest]
