"""
IMAP: the conversation of L{twisted_mail_server.protocols.imap} on a transport.

While no command is under way, or one waits for its client, silence is measured; a command that waits for the disk is our own
slowness.  Commands that are there together are answered in one write.
"""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from .. import __version__
from ..interfaces import IAuthenticator
from ..model import limits
from ..model.accounts import Account
from ..model.mailboxes import SEPARATOR
from ..protocols.imap.registry import IMAP
from ..protocols.imap.search_memory import SearchMemory
from ..protocols.imap.server import Conversation
from ..protocols.imap.session import Settings
from ..protocols.imap.wire import condition
from .base import Ending, Session, SessionFactory, Terms

log = Logger()

#: What BYE says (RFC 3501 section 7.1.5), and its response code (RFC 5530).
_FAREWELLS = {
    Ending.DRAINED: ("The server is closing; please connect again.", b"UNAVAILABLE"),
    Ending.REVOKED: ("This login is no longer good.", b""),
    Ending.TIMED_OUT: ("You were silent for too long.", b""),
    Ending.FAILED: ("The server has a fault; please try later.", b"SERVERBUG"),
    Ending.CROWDED: ("There are too many connections; please try later.", b"LIMIT"),
    Ending.EXPELLED: ("This session ends.", b""),
}


class ImapSession(Session):
    """
    One IMAP connection; a L{Driver <twisted_mail_server.protocols.imap.session.Driver>} of its conversation.
    """

    factory: ImapFactory

    def __init__(self) -> None:
        super().__init__()
        self._conversation: Conversation | None = None
        self._bell: Deferred[None] | None = None
        self._is_rung = False
        self._heard_at = 0.0
        self._is_input_over = False

    # What Session asks for.

    def opened(self) -> None:
        """
        Greet.
        """
        self._conversation = Conversation(self.factory.settings, self)
        self.set_deadline(limits.LOGIN_TIMEOUT)
        self.send(self._conversation.greeting)

    def data_received(self, data: bytes) -> None:
        """
        Let the command that waits go on, or begin the next.
        """
        conversation = self._conversation
        assert conversation is not None
        self._heard_at = self.factory.terms.clock.seconds()
        conversation.receive(data)
        if self.is_busy:
            self._wake()
            if conversation.session.is_waiting:
                # Many clients send a literal and the end of its command apart.
                self.acknowledge()
        elif conversation.has_command:
            self.work(self._converse(conversation))

    def unread(self) -> int:
        """
        What waits while a command is under way.
        """
        return 0 if self._conversation is None else self._conversation.unread

    def farewell(self, ending: Ending) -> bytes:
        """
        BYE.
        """
        text, code = _FAREWELLS[ending]
        return condition(b"BYE", text, code)

    def tls_started(self) -> None:
        """
        Go on in private: the client asks anew what there is.
        """
        self.set_deadline(limits.LOGIN_TIMEOUT)

    def input_over(self) -> None:
        """
        What was sent before is done and answered; a command that waits for more waits in vain.
        """
        self._is_input_over = True
        if not self.is_busy or self._bell is not None:
            self.close()

    def may_leave(self) -> bool:
        """
        A command may come to its end.  IDLE has none of its own, and who is no longer welcome is not waited for.
        """
        if not self.is_busy or self._conversation is None:
            return True
        session = self._conversation.session
        return session.is_waiting and (session.is_idling or self.ending is Ending.REVOKED)

    def about_to_wait(self) -> None:
        """
        Send what is answered, before the disk is waited for.
        """
        if self._conversation is not None:
            self.send(self._conversation.session.take_output())

    def closed(self) -> None:
        """
        Leave the mailbox, and log out.
        """
        if self._conversation is not None:
            self.factory.refused(self._conversation.refusals)
            Deferred.fromCoroutine(self._conversation.close()).addErrback(self._close_failed)

    def facts(self) -> dict[str, object]:
        """
        What the client said it was (RFC 2971).
        """
        client = {} if self._conversation is None else self._conversation.session.client
        told = filter(None, (client.get(b"name"), client.get(b"version")))
        return {"client": b" ".join(told).decode("utf-8", "replace")}

    # What a conversation asks of its driver, besides what Session has.

    @property
    def is_leaving(self) -> bool:
        """
        Whether no further command is to be begun.
        """
        return self.is_closing or self.ending is not None

    def now(self) -> int:
        """
        Seconds since 1970.
        """
        return int(self.factory.terms.clock.seconds())

    def wait(self) -> Awaitable[None]:
        """
        Until octets come, or news.  The client has as long as between commands, counted from its last word.
        """
        if self._is_rung:
            self._is_rung = False
            return succeed(None)
        self._bell = Deferred()
        self._watch(self._heard_at + self.idle_timeout - self.factory.terms.clock.seconds())
        self.check_input()
        if self.ending is not None:
            # It was decided while this command could not be left yet.
            self.leave(self.ending)
        if self._is_input_over:
            self.close()
        return self._bell

    def ring(self) -> None:
        """
        There may be news.
        """
        if self._bell is None:
            self._is_rung = True
        else:
            self._wake()

    def breathe(self) -> Awaitable[None]:
        """
        Until the reactor comes round again.
        """
        return deferLater(self.factory.terms.clock, 0)

    def entered(self, account: Account) -> None:
        """
        From now on silence may be longer (RFC 3501 section 5.4).
        """
        self.account = str(account.address)
        self.set_deadline(None)
        self.set_idle_timeout(limits.IMAP_IDLE_TIMEOUT)

    def broke_off(self, reason: str) -> None:
        """
        Tell the log why a message was cut short.
        """
        log.error(
            "a message broke off for {peer}: {reason}",
            peer=self.peer,
            session=self.session_id,
            account=self.account,
            reason=reason,
        )

    def failed(self, problem: Exception, doing: str) -> None:
        """
        Tell the log of a bug; the session goes on.
        """
        log.failure(
            "{command} of {peer} failed",
            Failure(problem),
            command=doing,
            peer=self.peer,
            session=self.session_id,
            account=self.account,
        )

    # Inside.

    async def _converse(self, conversation: Conversation) -> None:
        self._is_rung = False
        await conversation.run()
        if conversation.is_expelled:
            self.ending = self.ending or Ending.EXPELLED
        if conversation.is_over or self._is_input_over:
            self.close()

    def _wake(self) -> None:
        bell, self._bell = self._bell, None
        if bell is not None and not bell.called:
            self._watch(None)
            bell.callback(None)

    def _watch(self, seconds: float | None) -> None:
        # Before login there is one deadline for all of it, whatever the client sends.
        if self.account:
            self.set_deadline(seconds)

    def _close_failed(self, failure: Failure) -> None:
        log.failure("a session of {peer} did not close well", failure, peer=self.peer, session=self.session_id)


class ImapFactory(SessionFactory):
    """
    Makes the sessions of one IMAP listener.
    """

    protocol = ImapSession

    def __init__(
        self,
        terms: Terms,
        *,
        authenticator: IAuthenticator,
        separator: str = SEPARATOR,
        message_size: int = limits.MESSAGE_SIZE,
        unasked_literal: int | None = None,
        identity: tuple[tuple[bytes, bytes], ...] = (
            (b"name", b"twisted_mail_server"),
            (b"version", __version__.encode("ascii")),
        ),
        search_memory: SearchMemory | None = None,
    ) -> None:
        """
        @param separator: what stands between the levels of a mailbox name, on the wire.
        @param message_size: the largest message that APPEND takes.
        @param unasked_literal: the largest literal that may come without being asked for: LITERAL- (RFC 7888), where that is
            L{limits.UNASKED_LITERAL}; LITERAL+, if there is no limit.
        @param identity: what ID tells of this server (RFC 2971); nothing, if empty.
        @param search_memory: what searches remember, where listeners share that.
        """
        super().__init__(terms)
        self.settings = Settings(
            terms.hostname,
            authenticator,
            IMAP,
            separator,
            identity,
            message_size,
            unasked_literal,
            search_memory or SearchMemory(),
        )
