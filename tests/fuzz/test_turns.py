"""
L{twisted_mail_server.relay.turns} under any order of events.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.relay.test_turns import Line
from twisted_mail_server.model import limits
from twisted_mail_server.relay.turns import Turn, Turns

MOST, EACH = 4, 3
KEYS = st.sampled_from("abcdef")


class Machine(RuleBasedStateMachine):
    """
    Messages come, are sent, are cancelled; connections are opened, idle, and are lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.turns = Turns(self.clock, MOST, EACH)
        self.waiting: list[tuple[str, Deferred[Turn]]] = []
        self.held: list[Turn] = []
        self.lines: list[Line] = []

    @rule(key=KEYS)
    def take(self, key: str) -> None:
        """
        One more message.
        """
        waiter = self.turns.take(key)
        entry = (key, waiter)
        self.waiting.append(entry)

        def ended(result: Turn | Failure) -> None:
            self.waiting.remove(entry)
            if isinstance(result, Failure):
                result.trap(CancelledError)
            else:
                assert result.lane.key == key
                self.held.append(result)

        waiter.addBoth(ended)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), is_opened=st.booleans(), is_usable=st.booleans())
    def give_back(self, data: st.DataObject, is_opened: bool, is_usable: bool) -> None:
        """
        A message is done, with a connection or without.
        """
        turn = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        if turn.connection is None and is_opened:
            turn.connection = Line()
            self.lines.append(turn.connection)
            turn.carried = turn.in_a_row = 0
        if turn.connection is not None:
            turn.carried += 1
            turn.in_a_row += 1
            turn.connection.is_usable = is_usable
        self.turns.give_back(turn)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """
        A message is wanted no more.
        """
        self.waiting[data.draw(st.integers(0, len(self.waiting) - 1))][1].cancel()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def narrow(self, data: st.DataObject) -> None:
        """
        A server wants fewer connections.
        """
        turn = self.held[data.draw(st.integers(0, len(self.held) - 1))]
        if turn.connection is None:
            self.turns.narrow(turn)

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """
        A connection is lost.
        """
        data.draw(st.sampled_from(self.lines)).is_usable = False

    @rule(seconds=st.sampled_from((1, limits.RELAY_IDLE)))
    def wait(self, seconds: int) -> None:
        """
        Time goes by.
        """
        self.clock.advance(seconds)

    @invariant()
    def bounds_hold(self) -> None:
        """
        Never more than there may be, and nobody waits in vain.
        """
        held = [turn.lane.key for turn in self.held]
        used = [turn.connection for turn in self.held if turn.connection is not None]
        idle = [line for line in self.lines if not line.is_closed and line not in used]
        assert len(held) + len(idle) <= MOST
        assert len(set(map(id, used))) == len(used)
        for key in set(held):
            assert held.count(key) <= EACH
            assert held.count(key) == self.turns._lanes[key].busy
        for key, _ in self.waiting:
            # Who has no connection gets one while there is room; nobody waits where nothing is done.
            assert key in held or len(held) == MOST

    def teardown(self) -> None:
        """
        In the end nothing is left.
        """
        self.turns.cancel_waiting()
        while self.held:
            self.turns.give_back(self.held.pop())
        assert not self.waiting
        assert all(line.is_closed for line in self.lines)
        assert not self.turns._lanes
        assert not self.clock.getDelayedCalls()


class TurnsTests(SynchronousTestCase):
    """
    Any order of events.
    """

    def test_machine(self) -> None:
        """
        The bounds hold at every moment, who can be served is served, and in the end nothing is left.
        """
        run_state_machine_as_test(
            Machine,
            settings=settings(derandomize=True, max_examples=150, stateful_step_count=40, deadline=None, database=None),
        )
