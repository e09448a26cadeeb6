"""
L{twisted_mail_server.relay.manager}: many messages, many destinations.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.drive import now
from tests.support.relay import DELAYED, Outside, over, start, wait_idle
from twisted_mail_server.interfaces import IRelay
from twisted_mail_server.model import limits
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result
from twisted_mail_server.model.replies import Reply
from twisted_mail_server.protocols.smtp.client_events import Cause
from twisted_mail_server.relay.manager import RelayManager

RELAYED = Outcome.RELAYED


class ManagerTestCase(SynchronousTestCase):
    """
    A relay in a world of its own.
    """

    def setUp(self) -> None:
        """
        The world.
        """
        self.outside = Outside()
        self.clock = self.outside.clock

    def outcomes(self, done: Deferred[list[Result]]) -> list[Outcome]:
        """
        What a delivery that has ended came to.
        """
        return [one.outcome for one in self.successResultOf(done)]

    def advance(self, seconds: int) -> None:
        """
        Time goes by, second for second.
        """
        self.clock.pump([1] * seconds)

    def finish(self, relay: RelayManager) -> None:
        """
        Stop, and see that nothing is left.
        """
        stopped = Deferred.fromCoroutine(relay.stop())
        self.advance(limits.DRAIN_TIMEOUT)
        self.successResultOf(stopped)
        self.assertEqual(0, self.outside.connector.live)
        self.assertEqual([], self.clock.getDelayedCalls())


class DeliveryTests(ManagerTestCase):
    """
    One message.
    """

    def test_interface(self) -> None:
        """
        It is what delivery asks for.
        """
        self.assertTrue(IRelay.providedBy(self.outside.relay()))

    def test_relayed(self) -> None:
        """
        A message reaches the server of its domain, whole, with a result for each recipient in the order asked for.
        """
        host = self.outside.domain("example.org", "192.0.2.1")
        relay = self.outside.relay()
        message = self.outside.message("ann@example.org", "eve@example.net", "cid@example.org", content=b"Hello\r\n")
        results = now(relay.deliver(message, [2, 0], "example.org"))
        self.assertEqual([(2, RELAYED), (0, RELAYED)], [(one.number, one.outcome) for one in results])
        self.assertEqual([("bob@example.com", ["cid@example.org", "ann@example.org"], b"Hello\r\n")], host.messages)
        self.assertEqual("opportunistic", host.targets[0].tls)
        self.finish(relay)

    def test_each_recipient_for_itself(self) -> None:
        """
        What the server says of one recipient, for now or for ever, is no other's result.
        """
        replies = {
            "b@example.org": Reply(450, "Later", "4.2.1"),
            "c@example.org": Reply(550, "Unknown", "5.1.1"),
        }
        self.outside.domain("example.org", "192.0.2.1", replies=replies)
        message = self.outside.message("a@example.org", "b@example.org", "c@example.org")
        results = self.successResultOf(start(self.outside.relay(), message))
        self.assertEqual(
            [(RELAYED, "2.0.0"), (DELAYED, "4.2.1"), (Outcome.FAILED, "5.1.1")],
            [(one.outcome, one.status) for one in results],
        )

    def test_a_bug(self) -> None:
        """
        What nobody expected is told to the log; the recipients without a result have one then, and are tried again.
        """

        def fail(_: object) -> None:
            raise KeyError("bug")

        self.outside.domain("example.org", "192.0.2.1", taken=fail)
        relay = self.outside.relay()
        results = self.successResultOf(start(relay, self.outside.message("ann@example.org")))
        self.assertEqual([(0, DELAYED, "4.3.0")], [(one.number, one.outcome, one.status) for one in results])
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))
        self.assertTrue(self.outside.connector.hosts["192.0.2.1"].connections[0].is_aborted)
        self.finish(relay)


class CancellationTests(ManagerTestCase):
    """
    Nobody wants to know any more.
    """

    def test_while_it_waits(self) -> None:
        """
        A delivery that is cancelled before its turn leaves the queue.
        """
        host = self.outside.domain("example.org", "192.0.2.1", delay=10)
        relay = self.outside.relay(connections_per_destination=1)
        first, second, third = (start(relay, self.outside.message(f"{one}@example.org")) for one in "abc")
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.advance(20)
        self.assertEqual([[RELAYED], [RELAYED]], [self.outcomes(first), self.outcomes(third)])
        self.assertEqual([["a@example.org"], ["c@example.org"]], [names for _, names, _ in host.messages])
        self.finish(relay)

    def test_under_way(self) -> None:
        """
        One that is cancelled in the middle ends its connection, and the next message gets a new one.
        """
        host = self.outside.domain("example.org", "192.0.2.1", delay=10)
        relay = self.outside.relay(connections_per_destination=1)
        first, second = (start(relay, self.outside.message(f"{one}@example.org")) for one in "ab")
        self.advance(5)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.advance(10)
        self.assertEqual([RELAYED], self.outcomes(second))
        self.assertEqual([True, False], [one.is_aborted for one in host.connections])
        self.finish(relay)

    def test_while_connecting(self) -> None:
        """
        One that is cancelled while it looks for a server gives its place to the next.
        """
        self.outside.domain("example.org", "192.0.2.1")
        self.outside.resolver.delays("example.org", 5)
        relay = self.outside.relay(connections_per_destination=1)
        first, second = (start(relay, self.outside.message(f"{one}@example.org")) for one in "ab")
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.advance(5)
        self.assertEqual([RELAYED], self.outcomes(second))
        self.finish(relay)

    def test_in_part(self) -> None:
        """
        What some servers have taken stays taken: of a try that is cancelled then, the other recipients wait.
        """
        self.outside.domain("example.org", "192.0.2.1", delay=10)
        relay = self.outside.relay()
        done = start(relay, self.outside.message(*(f"{one}@example.org" for one in range(101))))
        self.advance(15)
        done.cancel()
        self.assertEqual([RELAYED] * 100 + [DELAYED], self.outcomes(done))
        self.finish(relay)


class StoppingTests(ManagerTestCase):
    """
    The server stops.
    """

    def test_under_way_and_waiting(self) -> None:
        """
        What is under way ends; what waits is cancelled, so that its recipients stay as they were; nothing new begins.
        """
        self.outside.domain("example.org", "192.0.2.1", delay=10)
        relay = self.outside.relay(connections_per_destination=1)
        first, second = (start(relay, self.outside.message(f"{one}@example.org")) for one in "ab")
        stopped = Deferred.fromCoroutine(relay.stop())
        self.failureResultOf(second, CancelledError)
        self.failureResultOf(start(relay, self.outside.message("c@example.org")), CancelledError)
        self.assertNoResult(stopped)
        self.advance(10)
        self.successResultOf(stopped)
        self.assertEqual([RELAYED], self.outcomes(first))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_it_does_not_wait_for_ever(self) -> None:
        """
        A server that takes its time is left, whether with a message or with its last words.
        """
        slow = self.outside.domain("example.org", "192.0.2.1", delay=10_000)
        mute = self.outside.domain("example.net", "192.0.2.2", quit_delay=10_000)
        relay = self.outside.relay()
        first, second = (start(relay, self.outside.message(one)) for one in ("a@example.org", "b@example.net"))
        self.assertEqual([RELAYED], self.outcomes(second))
        stopped = Deferred.fromCoroutine(relay.stop())
        self.advance(limits.DRAIN_TIMEOUT - 1)
        self.assertNoResult(stopped)
        self.advance(1)
        self.successResultOf(stopped)
        self.failureResultOf(first, CancelledError)
        self.assertEqual([True, True], [slow.connections[0].is_aborted, mute.connections[0].is_aborted])

    def test_idle_connections(self) -> None:
        """
        A connection that waits for a message is closed at once.
        """
        host = self.outside.domain("example.org", "192.0.2.1")
        relay = self.outside.relay()
        start(relay, self.outside.message("a@example.org"))
        self.assertEqual(1, host.live)
        now(relay.stop())
        self.assertEqual(0, host.live)

    def test_a_connection_that_does_not_close(self) -> None:
        """
        A failure at the very end is told, and keeps nobody waiting.
        """
        host = self.outside.domain("example.org", "192.0.2.1")
        relay = self.outside.relay()
        start(relay, self.outside.message("a@example.org"))

        host.quit_failure = KeyError("bug")
        now(relay.stop())
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))
        self.assertTrue(host.connections[0].is_aborted)


class FairnessTests(ManagerTestCase):
    """
    Many at once.
    """

    def all(self, relay: RelayManager, messages: Sequence[QueuedMessage]) -> list[Deferred[list[Result]]]:
        """
        Begin with all of them.
        """
        return [start(relay, one) for one in messages]

    def test_a_slow_destination(self) -> None:
        """
        However much waits for a slow destination, mail for others goes at once.
        """
        slow = self.outside.domain("slow.example", "192.0.2.1", delay=300)
        self.outside.domain("example.org", "192.0.2.2")
        relay = self.outside.relay()
        waiting = self.all(relay, [self.outside.message(f"{one}@slow.example") for one in range(1000)])
        self.assertEqual([RELAYED], self.outcomes(start(relay, self.outside.message("ann@example.org"))))
        self.assertEqual(limits.RELAY_CONNECTIONS_PER_DESTINATION, slow.live)
        for one in waiting:
            one.cancel()
            self.failureResultOf(one, CancelledError)
        self.finish(relay)

    def test_many_slow_destinations(self) -> None:
        """
        Slow destinations together do not fill the room either: half of it is for those that have no connection.
        """
        relay = self.outside.relay()
        waiting: list[Deferred[list[Result]]] = []
        for place in range(20):
            self.outside.domain(f"slow{place}.example", f"192.0.2.{place}", delay=300)
            waiting += self.all(relay, [self.outside.message(f"{one}@slow{place}.example") for one in range(100)])
        self.outside.domain("example.org", "198.51.100.1")
        self.assertEqual([RELAYED], self.outcomes(start(relay, self.outside.message("ann@example.org"))))
        self.assertLessEqual(self.outside.connector.live, limits.RELAY_CONNECTIONS)
        self.finish(relay)
        for one in waiting:
            self.failureResultOf(one, CancelledError)

    def test_slow_names(self) -> None:
        """
        A domain whose name servers are slow keeps only its own mail waiting.
        """
        self.outside.domain("slow.example", "192.0.2.1")
        self.outside.resolver.delays("slow.example", 10)
        self.outside.domain("example.org", "192.0.2.2")
        relay = self.outside.relay()
        first = start(relay, self.outside.message("a@slow.example"))
        self.assertEqual([RELAYED], self.outcomes(start(relay, self.outside.message("b@example.org"))))
        self.assertNoResult(first)
        self.advance(10)
        self.assertEqual([RELAYED], self.outcomes(first))

    def test_rotation(self) -> None:
        """
        Where there is room for one connection, destinations with long queues take turns.
        """
        order: list[str] = []
        relay = self.outside.relay(connections=1)
        for place in range(3):
            self.outside.domain(
                f"{place}.example",
                f"192.0.2.{place}",
                delay=1,
                taken=lambda outgoing: order.append(outgoing.recipients[0][1].address.domain),
            )
        everything = [self.outside.message(f"a@{place}.example") for place in range(3) for _ in range(25)]
        done = self.all(relay, everything)
        self.advance(75)
        self.assertEqual([[RELAYED]] * 75, [self.outcomes(one) for one in done])
        turns = [order[place : place + limits.RELAY_TURN] for place in range(0, 60, limits.RELAY_TURN)]
        self.assertEqual([[f"{place}.example"] * limits.RELAY_TURN for place in (0, 1, 2, 0, 1, 2)], turns)
        self.finish(relay)

    def test_a_thousand_messages(self) -> None:
        """
        A thousand messages for fifty destinations arrive, each once, within the bounds.
        """
        relay = self.outside.relay()
        most: list[int] = []
        hosts = [
            self.outside.domain(
                f"{place}.example",
                f"192.0.2.{place}",
                delay=1 + place % 3,
                taken=lambda _: most.append(self.outside.connector.live),
            )
            for place in range(50)
        ]
        done = self.all(relay, [self.outside.message(f"{one}@{one % 50}.example") for one in range(1000)])
        self.advance(100)
        self.assertEqual([[RELAYED]] * 1000, [self.outcomes(one) for one in done])
        arrived = sorted(int(names[0].partition("@")[0]) for host in hosts for _, names, _ in host.messages)
        self.assertEqual(list(range(1000)), arrived)
        self.assertEqual(limits.RELAY_CONNECTIONS, max(most))
        wait_idle(self.clock)
        self.assertEqual(0, self.outside.connector.live)
        self.finish(relay)

    def test_a_dead_destination(self) -> None:
        """
        A thousand messages for a server that is dead cost one time-out for each connection that is tried at the same time.
        """
        host = self.outside.domain(
            "example.org",
            "192.0.2.1",
            connect_delay=30,
            failure=over(Cause.CONNECT, "mx.example.org: Timeout.", "4.4.1"),
        )
        relay = self.outside.relay()
        done = self.all(relay, [self.outside.message(f"{one}@example.org") for one in range(1000)])
        self.advance(30)
        results = [self.successResultOf(one)[0] for one in done]
        self.assertEqual(
            {(DELAYED, "4.4.1", "mx.example.org: Timeout.")}, {(x.outcome, x.status, x.detail) for x in results}
        )
        self.assertEqual(limits.RELAY_CONNECTIONS_PER_DESTINATION, len(host.targets))
        self.finish(relay)
