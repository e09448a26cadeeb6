"""
L{twisted_mail_server.relay.turns}
"""

from __future__ import annotations

from attrs import define
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from twisted_mail_server.model import limits
from twisted_mail_server.relay.turns import Turn, Turns


@define(eq=False)
class Line:
    """
    A connection that can do nothing.
    """

    is_usable: bool = True
    is_closed: bool = False

    async def close(self) -> None:
        """
        Take leave.
        """
        self.is_closed = True

    def abort(self) -> None:
        """
        Let go at once.
        """
        self.is_closed = True


class TurnsTests(SynchronousTestCase):
    """
    Who gets a connection, and when.
    """

    def setUp(self) -> None:
        """
        Room for four connections, three of them to one destination.
        """
        self.clock = Clock()
        self.turns = Turns(self.clock, 4, 3)

    def take(self, *keys: str) -> list[Turn]:
        """
        Turns that are to be had at once.
        """
        return [self.successResultOf(self.turns.take(key)) for key in keys]

    def use(self, turn: Turn) -> Line:
        """
        Open a connection in a turn, and send a message over it.
        """
        line = turn.connection = Line()
        turn.carried = turn.in_a_row = 1
        return line

    def test_bounds(self) -> None:
        """
        One destination may use half of the room; each one without a connection gets one while there is room at all.
        """
        self.take("a", "a")
        third = self.turns.take("a")
        self.assertNoResult(third)
        self.take("b", "c")
        last = self.turns.take("d")
        self.assertNoResult(last)
        self.assertNoResult(third)

    def test_each(self) -> None:
        """
        No destination has more than its own bound, however much room there is.
        """
        self.turns = Turns(self.clock, 100, 3)
        first, *_ = self.take("a", "a", "a")
        waiting = self.turns.take("a")
        self.assertNoResult(waiting)
        self.turns.give_back(first)
        self.assertIs(first.lane, self.successResultOf(waiting).lane)

    def test_first_come(self) -> None:
        """
        Destinations that wait for room get it in the order in which they came.
        """
        turns = self.take("a", "b", "c", "d")
        waiting = [self.turns.take(key) for key in ("f", "e", "f")]
        for turn in turns[:2]:
            self.turns.give_back(turn)
        self.assertEqual(["f", "e"], [self.successResultOf(one).lane.key for one in waiting[:2]])
        self.assertNoResult(waiting[2])

    def test_handed_on(self) -> None:
        """
        A connection goes to the next message of its destination, which is told how much it has carried.
        """
        turns = self.take("a", "a")
        line = self.use(turns[0])
        waiting = self.turns.take("a")
        self.turns.give_back(turns[0])
        turn = self.successResultOf(waiting)
        self.assertIs(line, turn.connection)
        self.assertEqual((1, 1), (turn.carried, turn.in_a_row))

    def test_idle(self) -> None:
        """
        Where no message waits it idles, and then is closed.
        """
        (turn,) = self.take("a")
        line = self.use(turn)
        self.turns.give_back(turn)
        self.clock.advance(limits.RELAY_IDLE - 1)
        (again,) = self.take("a")
        self.assertIs(line, again.connection)
        self.assertEqual((1, 0), (again.carried, again.in_a_row))
        self.turns.give_back(again)
        self.clock.advance(limits.RELAY_IDLE)
        self.assertTrue(line.is_closed)
        self.assertIsNone(self.take("a")[0].connection)

    def test_the_latest_first(self) -> None:
        """
        Of several that idle, the one that was used last goes first; one that is lost meanwhile is none.
        """
        turns = self.take("a", "a")
        lines = [self.use(turn) for turn in turns]
        for turn in turns:
            self.turns.give_back(turn)
        lines[1].is_usable = False
        self.assertIs(lines[0], self.take("a")[0].connection)
        self.assertTrue(lines[1].is_closed)

    def test_lost_one_alone(self) -> None:
        """
        Where the only one that idles is lost, the message gets a turn of its own, and the destination stays one.
        """
        (turn,) = self.take("a")
        line = self.use(turn)
        self.turns.give_back(turn)
        line.is_usable = False
        (again,) = self.take("a")
        self.assertIsNone(again.connection)
        self.assertIs(again.lane, self.take("a")[0].lane)

    def test_it_makes_room(self) -> None:
        """
        One that idles is closed where its room is needed, the one that has idled longest first.
        """
        turns = self.take("a", "b", "c", "d")
        lines = [self.use(turn) for turn in turns]
        for turn in turns:
            self.turns.give_back(turn)
        self.take("e", "f")
        self.assertEqual([True, True, False, False], [line.is_closed for line in lines])

    def test_not_kept(self) -> None:
        """
        One that is lost, or has carried its share, is closed.
        """
        for carried, is_usable in ((1, False), (limits.RELAY_MESSAGES_PER_CONNECTION, True)):
            (turn,) = self.take("a")
            line = self.use(turn)
            turn.carried, line.is_usable = carried, is_usable
            self.turns.give_back(turn)
            self.assertTrue(line.is_closed)

    def test_it_gives_way(self) -> None:
        """
        After some messages in a row a connection ends, where there is no room and another destination waits.
        """
        turns = self.take("a", "b", "c", "d")
        same, other = self.turns.take("a"), self.turns.take("e")
        line = self.use(turns[0])
        turns[0].in_a_row = limits.RELAY_TURN
        self.turns.give_back(turns[0])
        self.assertTrue(line.is_closed)
        self.assertEqual("e", self.successResultOf(other).lane.key)
        self.assertNoResult(same)

    def test_narrow(self) -> None:
        """
        A server that wants no more connections than it has gets no more; if it has none, that is no use.
        """
        first, second = self.take("a", "a")
        self.assertTrue(self.turns.narrow(second))
        self.turns.give_back(second)
        waiting = self.turns.take("a")
        self.assertNoResult(waiting)
        self.assertFalse(self.turns.narrow(first))
        self.turns.give_back(first)
        self.successResultOf(waiting)

    def test_cancelled(self) -> None:
        """
        Who leaves the queue is served no more, and the others are.
        """
        first, second = self.take("a", "a")
        waiting: list[Deferred[Turn]] = [self.turns.take("a") for _ in range(2)]
        waiting[0].cancel()
        self.failureResultOf(waiting[0], CancelledError)
        self.turns.give_back(first)
        self.successResultOf(waiting[1])
        self.turns.give_back(second)

    def test_many_at_once(self) -> None:
        """
        Thousands of messages that end at once take no deeper a stack than one.
        """
        (turn,) = self.take("a")
        self.take("b", "c", "d")
        done: list[int] = []

        def end(turn: Turn) -> None:
            self.turns.give_back(turn)
            done.append(len(done))

        for _ in range(5000):
            self.turns.take("a").addCallback(end)
        self.turns.give_back(turn)
        self.assertEqual(list(range(5000)), done)

    def test_stop(self) -> None:
        """
        When all stops nobody waits any more, what idles is closed, and so is what comes back.
        """
        self.turns = Turns(self.clock, 100, 2)
        first, second, _ = self.take("a", "b", "b")
        lines = [self.use(first), self.use(second)]
        self.turns.give_back(first)
        waiting = self.turns.take("b")
        self.assertNoResult(waiting)
        self.turns.cancel_waiting()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual([True, False], [line.is_closed for line in lines])
        self.turns.give_back(second)
        now(self.turns.closed())
        self.assertTrue(lines[1].is_closed)
        self.assertEqual([], self.clock.getDelayedCalls())
