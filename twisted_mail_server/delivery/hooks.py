"""
Asks the hooks of a stage, one after the other, and says what their answers come to.

A hook is somebody else's code: it may fail, hang, or answer nonsense.  Each of that is told in the log, and means "451 4.3.0": the
mail is late, and not lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from inspect import isawaitable, iscoroutine
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.interface import InterfaceClass

from twisted_mail_server.interfaces import (
    IAttemptHook,
    IBounceHook,
    IConnectionCheck,
    IContentCheck,
    IDeliveryHook,
    IHeaderCheck,
    IHelloCheck,
    ILoginCheck,
    IMailboxHook,
    IRecipientCheck,
    ISenderCheck,
    ISessionChecks,
)
from twisted_mail_server.model import limits
from twisted_mail_server.model.envelopes import Origin
from twisted_mail_server.model.errors import BadSetting, MailError, SyntaxProblem, TemporaryFailure
from twisted_mail_server.model.verdicts import UNDECIDED, Decision, verdicts

_log = Logger()


class HookFailed(TemporaryFailure):
    """
    A hook failed, took too long, or gave an answer that is none.
    """

    def __init__(self) -> None:
        super().__init__("A check on this server failed; please try again later.")


@frozen
class Hook:
    """
    One hook at one stage.
    """

    #: Its plugin's.
    name: str
    ask: Callable[..., Any]


#: Where hooks are asked, by whom it is called, and the method.
STAGES: dict[str, tuple[InterfaceClass, str]] = {
    "connection": (IConnectionCheck, "connected"),
    "hello": (IHelloCheck, "hello"),
    "login": (ILoginCheck, "logged_in"),
    "sender": (ISenderCheck, "sender"),
    "recipient": (IRecipientCheck, "recipient"),
    "header": (IHeaderCheck, "header"),
    "content": (IContentCheck, "content"),
    "delivery": (IDeliveryHook, "deliver"),
    "attempt": (IAttemptHook, "attempt"),
    "bounce": (IBounceHook, "bounce"),
    "mailbox": (IMailboxHook, "changed"),
}

#: What the answers of a stage may come to besides a refusal; anything else is a mistake of the hook.
ALLOWED: dict[str, frozenset[str]] = {
    "connection": frozenset({"quarantine", "added", "redirect"}),
    "hello": frozenset({"quarantine", "added", "redirect"}),
    "login": frozenset(),
    "sender": frozenset({"quarantine", "added", "redirect"}),
    "recipient": frozenset({"quarantine", "added", "redirect", "taken"}),
    "header": frozenset({"quarantine", "added", "redirect"}),
    "content": frozenset({"quarantine", "added", "redirect", "taken"}),
    "delivery": frozenset({"quarantine", "added", "redirect", "taken"}),
    "attempt": frozenset({"quarantine", "redirect", "taken"}),
    "bounce": frozenset({"added", "redirect"}),
    "mailbox": frozenset(),
}

_PARTS = ("quarantine", "added", "redirect", "taken")


@implementer(ISessionChecks)
@define(eq=False)
class Hooks:
    """
    The hooks of every stage.  An empty tuple is a stage that nobody has to say anything at: it costs one look.
    """

    _clock: IReactorTime
    connection: tuple[Hook, ...] = ()
    hello: tuple[Hook, ...] = ()
    login: tuple[Hook, ...] = ()
    sender: tuple[Hook, ...] = ()
    recipient: tuple[Hook, ...] = ()
    header: tuple[Hook, ...] = ()
    content: tuple[Hook, ...] = ()
    delivery: tuple[Hook, ...] = ()
    attempt: tuple[Hook, ...] = ()
    bounce: tuple[Hook, ...] = ()
    mailbox: tuple[Hook, ...] = ()
    #: What was decided of all mail of a session, by its id.
    _sessions: dict[str, Decision] = field(init=False, factory=dict)

    @classmethod
    def of(cls, clock: IReactorTime, plugged: Sequence[tuple[str, object]]) -> Hooks:
        """
        The hooks that plugins made, each with its plugin's name.

        @raise BadSetting: one of them is no hook.
        """
        found: dict[str, list[Hook]] = {stage: [] for stage in STAGES}
        for name, hook in sorted(plugged, key=lambda one: one[0]):
            is_hook = False
            for stage, (interface, method) in STAGES.items():
                if interface.providedBy(hook):
                    found[stage].append(Hook(name, getattr(hook, method)))
                    is_hook = True
            if not is_hook:
                raise BadSetting(
                    f"plugin.{name} makes {type(hook).__name__}, which provides none of the hook interfaces."
                )
        return cls(clock, **{stage: tuple(hooks) for stage, hooks in found.items()})

    async def run(self, stage: str, hooks: Sequence[Hook], *args: object) -> Decision:
        """
        What the hooks of a stage decide.

        @raise MailError: one refuses; L{HookFailed} where one does not work.
        """
        decision = UNDECIDED
        for hook in hooks:
            decision = await self._ask(stage, hook, args, decision)
            if decision.taken:
                # It is out of our hands: no later hook may refuse it any more.
                break
        return decision

    async def _ask(self, stage: str, hook: Hook, args: Sequence[object], decision: Decision) -> Decision:
        try:
            answer = hook.ask(*args)
            if isawaitable(answer):
                answer = await self._answer_in_time(answer)
            for verdict in verdicts(answer):
                decision = decision.with_verdict(verdict)
        except CancelledError:
            # Whoever asked has gone.
            raise
        except SyntaxProblem as problem:
            _log.error("{plugin} at {stage}: {reason}", plugin=hook.name, stage=stage, reason=problem.public)
            raise HookFailed from problem
        except MailError as problem:
            _log.info(
                "{plugin} at {stage} refuses: {reply}",
                plugin=hook.name,
                stage=stage,
                reply=f"{problem.code} {problem.enhanced} {problem.public}",
            )
            raise
        except _TooLong:
            _log.error(
                "{plugin} at {stage} takes longer than {seconds} s",
                plugin=hook.name,
                stage=stage,
                seconds=limits.CHECK_TIMEOUT,
            )
            raise HookFailed from None
        except Exception as problem:
            _log.failure("{plugin} at {stage} failed", plugin=hook.name, stage=stage)
            raise HookFailed from problem
        for part in _PARTS:
            if getattr(decision, part) and part not in ALLOWED[stage]:
                _log.error("{plugin} cannot do that at {stage}: {part}", plugin=hook.name, stage=stage, part=part)
                raise HookFailed
        if decision is not UNDECIDED:
            _log.debug("after {plugin} at {stage}: {decision}", plugin=hook.name, stage=stage, decision=decision)
        return decision

    def _answer_in_time(self, waiting: Awaitable[Any]) -> Deferred[Any]:
        """
        The answer of a hook, or L{_TooLong}, whatever the hook does with being cancelled.
        """
        asked: Deferred[Any] = Deferred.fromCoroutine(_coroutine(waiting))
        timer: IDelayedCall | None = None

        def given_up(_: object) -> None:
            if timer is not None:
                timer.cancel()
            answered.errback(Failure(CancelledError()))
            asked.cancel()

        answered: Deferred[Any] = Deferred(given_up)

        def done(result: Any) -> None:
            if answered.called:
                # Nobody waits for it any more.
                return
            if timer is not None:
                timer.cancel()
            if isinstance(result, Failure) and result.check(CancelledError):
                result = Failure(_Cancelled("The hook cancelled itself."))
            answered.callback(result)

        def too_long() -> None:
            answered.errback(Failure(_TooLong()))
            asked.cancel()

        asked.addBoth(done)
        if not answered.called:
            timer = self._clock.callLater(limits.CHECK_TIMEOUT, too_long)
        return answered

    # What a server asks.

    @property
    def asks_connection(self) -> bool:
        """
        Whether there is a hook to ask before the greeting.
        """
        return bool(self.connection)

    @property
    def asks_hello(self) -> bool:
        """
        Whether there is one to ask about the client's name.
        """
        return bool(self.hello)

    async def check_connection(self, session: Origin) -> None:
        """
        Ask about a new connection.

        @raise MailError: it is not wanted.
        """
        self._note(session, await self.run("connection", self.connection, session))

    async def check_hello(self, session: Origin) -> None:
        """
        Ask about a client's name.

        @raise MailError: it is not wanted.
        """
        self._note(session, await self.run("hello", self.hello, session))

    def ended(self, session: str) -> None:
        """
        Forget a session.
        """
        self._sessions.pop(session, None)

    def decided(self, session: str) -> Decision:
        """
        What holds for all mail of a session.
        """
        return self._sessions.get(session, UNDECIDED) if self._sessions else UNDECIDED

    def _note(self, session: Origin, decision: Decision) -> None:
        if decision is not UNDECIDED:
            self._sessions[session.session] = self.decided(session.session) | decision


class _TooLong(Exception):
    """
    The time is over.
    """


class _Cancelled(Exception):
    """
    A hook's own cancellation, told apart from that of whoever asked.
    """


def _coroutine(waiting: Awaitable[Any]) -> Coroutine[Any, Any, Any]:
    if iscoroutine(waiting):
        return waiting

    async def wait() -> Any:
        return await waiting

    return wait()
