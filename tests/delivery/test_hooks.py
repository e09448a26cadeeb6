"""
L{twisted_mail_server.delivery.hooks}
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.support.drive import failure_of, now
from tests.support.hooks import Says
from twisted_mail_server.delivery.hooks import ALLOWED, STAGES, HookFailed, Hooks
from twisted_mail_server.interfaces import ISenderCheck, ISessionChecks
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import BadSetting, Refused
from twisted_mail_server.model.verdicts import (
    UNDECIDED,
    Accept,
    AddFields,
    Decision,
    Defer,
    Denied,
    Quarantine,
    Redirect,
    Reject,
    Taken,
)

VERDICTS = {
    "quarantine": Quarantine("spam"),
    "added": AddFields.of("X-Seen", "yes"),
    "redirect": Redirect(Address.parse("eve@example.org")),
    "taken": Taken(),
}


class HooksTests(SynchronousTestCase):
    """
    Asking.
    """

    def setUp(self) -> None:
        """
        A clock.
        """
        self.clock = Clock()

    def hooks(self, *plugged: tuple[str, object]) -> Hooks:
        """
        Those of a few plugins.
        """
        return Hooks.of(self.clock, plugged)

    def ask(self, answer: Any, stage: str = "sender") -> Deferred[Decision]:
        """
        What one hook's answer comes to.
        """
        hooks = self.hooks(("one", Says(stage, answer)))
        return Deferred.fromCoroutine(hooks.run(stage, getattr(hooks, stage), "argument"))

    def test_nobody(self) -> None:
        """
        Without plugins every stage is empty, and decides nothing.
        """
        hooks = self.hooks()
        for stage in STAGES:
            self.assertEqual((), getattr(hooks, stage))
        self.assertIs(UNDECIDED, now(hooks.run("sender", ())))
        self.assertFalse(hooks.asks_connection or hooks.asks_hello)
        self.assertTrue(ISessionChecks.providedBy(hooks))

    def test_order(self) -> None:
        """
        Hooks are asked in the order of their plugins' names, each with the same arguments.
        """
        said: list[str] = []
        plugged = []
        for name in ("b", "c", "a"):
            hook = Says("sender")
            hook.sender = lambda *args, name=name: said.append(f"{name} {args}")  # type: ignore[attr-defined]
            plugged.append((name, hook))
        hooks = self.hooks(*plugged)
        self.assertIs(UNDECIDED, now(hooks.run("sender", hooks.sender, 1, 2)))
        self.assertEqual(["a (1, 2)", "b (1, 2)", "c (1, 2)"], said)

    def test_refusal_ends_it(self) -> None:
        """
        After a refusal nobody else is asked; after somebody has taken it neither.
        """
        for answer, stage in ((Reject("No."), "content"), (Taken(), "content")):
            later = Says(stage)
            hooks = self.hooks(("a", Says(stage, answer)), ("b", later))
            ended = Deferred.fromCoroutine(hooks.run(stage, hooks.content))
            if isinstance(answer, Reject):
                self.assertEqual("No.", self.failureResultOf(ended, Denied).value.public)
            else:
                self.assertEqual(Decision(taken="taken by a plugin"), self.successResultOf(ended))
            self.assertEqual([], later.asked)

    def test_several_say_something(self) -> None:
        """
        What several hooks want is done together.
        """
        hooks = self.hooks(
            ("b", Says("sender", [VERDICTS["added"], VERDICTS["quarantine"]])),
            ("a", Says("sender", AddFields.of("X-First", "1"))),
            ("c", Says("sender", "250 OK")),
        )
        decision = now(hooks.run("sender", hooks.sender))
        self.assertEqual(Decision("spam", b"X-First: 1\r\nX-Seen: yes\r\n"), decision)

    def test_every_verdict_at_every_stage(self) -> None:
        """
        A stage accepts the verdicts that it can carry out; any other is a mistake of the hook.
        """
        for stage in STAGES:
            self.assertIs(UNDECIDED, self.successResultOf(self.ask(None, stage)))
            self.assertIs(UNDECIDED, self.successResultOf(self.ask(Accept(), stage)))
            for refusal, code in ((Defer("Later."), 451), (Reject("No."), 550)):
                self.assertEqual(code, self.failureResultOf(self.ask(refusal, stage), Denied).value.code)
            for part, verdict in VERDICTS.items():
                asked = self.ask(verdict, stage)
                if part in ALLOWED[stage]:
                    self.assertTrue(getattr(self.successResultOf(asked), part), (stage, part))
                else:
                    self.failureResultOf(asked, HookFailed)

    def test_mail_error(self) -> None:
        """
        A hook may raise a failure that mail knows.
        """
        problem = self.failureResultOf(self.ask(Refused("Not here.")), Refused).value
        self.assertEqual((550, "Not here."), (problem.code, problem.public))

    def test_failures(self) -> None:
        """
        A hook that raises, cancels itself, or answers nonsense means 451, and is told in the log.
        """
        for answer in (ValueError("bug"), CancelledError(), "What?", 42, AddFields.of("Bad Name", "")):
            problem = self.failureResultOf(self.ask(answer), HookFailed).value
            self.assertEqual((451, "4.3.0"), (problem.code, problem.enhanced))
        logged = [error.type for error in self.flushLoggedErrors()]
        self.assertEqual([ValueError, TypeError], [logged[0], logged[-1]])
        self.assertEqual(3, len(logged))

    def test_raises_at_once(self) -> None:
        """
        A method that is not even a coroutine, and fails, is a failing hook.
        """
        hook = Says("sender")
        hook.sender = None  # type: ignore[attr-defined]
        hooks = self.hooks(("one", hook))
        failure_of(hooks.run("sender", hooks.sender), HookFailed)
        self.assertEqual(1, len(self.flushLoggedErrors(TypeError)))

    def test_in_time(self) -> None:
        """
        A hook may take its time, up to the limit; a plain Deferred will do.
        """
        answer: Deferred[str] = Deferred()
        asked = self.ask(answer)
        self.clock.advance(limits.CHECK_TIMEOUT - 1)
        self.assertNoResult(asked)
        answer.callback("550 5.7.1 No.")
        self.assertEqual("No.", self.failureResultOf(asked, Denied).value.public)
        self.assertEqual([], self.clock.getDelayedCalls())
        hook = Says("sender")
        hook.sender = lambda: answer  # type: ignore[attr-defined]
        hooks = self.hooks(("one", hook))
        self.assertIs(UNDECIDED, now(hooks.run("sender", hooks.sender)))

    def test_too_late(self) -> None:
        """
        A hook that takes too long is cancelled, and its message is late.
        """
        answer: Deferred[None] = Deferred()
        asked = self.ask(answer)
        self.clock.advance(limits.CHECK_TIMEOUT)
        self.failureResultOf(asked, HookFailed)
        self.assertTrue(answer.called)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_does_not_let_go(self) -> None:
        """
        A hook that does not heed its cancellation keeps nobody waiting.
        """
        never: Deferred[None] = Deferred()

        @implementer(ISenderCheck)
        class Stubborn:
            async def sender(self, envelope: object) -> None:
                try:
                    await Deferred()
                except CancelledError:
                    await never

        hooks = self.hooks(("stubborn", Stubborn()))
        asked = Deferred.fromCoroutine(hooks.run("sender", hooks.sender, None))
        self.clock.advance(limits.CHECK_TIMEOUT)
        self.failureResultOf(asked, HookFailed)
        never.callback(None)

    def test_asker_goes(self) -> None:
        """
        When whoever asked does not wait any longer, the hook is cancelled, and that is no failure of it.
        """
        answer: Deferred[None] = Deferred()
        asked = self.ask(answer)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertTrue(answer.called)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_no_hook(self) -> None:
        """
        An object that is no hook at any stage is a mistake in the settings.
        """
        problem = self.assertRaises(BadSetting, self.hooks, ("one", object()))
        self.assertIn("plugin.one makes object", problem.public)
