"""
L{twisted_mail_server.auth.throttle}
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.auth.throttle import Throttle, network_of
from twisted_mail_server.model import limits

HERE, THERE = "192.0.2.1", "192.0.2.2"


class NetworkTests(SynchronousTestCase):
    """
    What stands for a client.
    """

    def test_ipv4(self) -> None:
        """
        An IPv4 address stands for itself, in IPv6 clothes too.
        """
        self.assertEqual("192.0.2.1", network_of("192.0.2.1"))
        self.assertEqual("192.0.2.1", network_of("::ffff:192.0.2.1"))

    def test_ipv6(self) -> None:
        """
        All addresses of a /64 are one client.
        """
        self.assertEqual(network_of("2001:db8::1"), network_of("2001:db8::ffff:2"))
        self.assertEqual(network_of("fe80::1"), network_of("fe80::2%eth0"))
        self.assertNotEqual(network_of("2001:db8:0:1::1"), network_of("2001:db8:0:2::1"))

    def test_no_network(self) -> None:
        """
        Loopback and what is no address stand for nobody.
        """
        for peer in ("", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "/run/mail.sock"):
            self.assertEqual("", network_of(peer), peer)


class ThrottleTests(SynchronousTestCase):
    """
    Who must wait.
    """

    def setUp(self) -> None:
        """
        A throttle that knows nothing.
        """
        self.throttle = Throttle()

    def fail_often(self, count: int, *, peer: str = HERE, account: str = "alice", at: float = 0.0) -> None:
        """
        Several failures at once.
        """
        for _ in range(count):
            self.throttle.failed(peer, account, at)

    def test_first_failures_are_free(self) -> None:
        """
        A few failures make nobody wait.
        """
        self.fail_often(limits.FAILURES_PER_ACCOUNT - 1)
        self.assertEqual(0.0, self.throttle.wait(HERE, "alice", 0.0))

    def test_account(self) -> None:
        """
        After more, each try for the account waits, wherever it comes from; others do not.
        """
        self.fail_often(limits.FAILURES_PER_ACCOUNT)
        self.assertEqual(1.0, self.throttle.wait(HERE, "alice", 0.0))
        self.assertEqual(1.0, self.throttle.wait(THERE, "alice", 0.0))
        self.assertEqual(0.25, self.throttle.wait(THERE, "alice", 0.75))
        self.assertEqual(0.0, self.throttle.wait(THERE, "alice", 1.0))
        self.assertEqual(0.0, self.throttle.wait(HERE, "bob", 0.0))

    def test_pause_doubles(self) -> None:
        """
        Each further failure doubles the pause, up to a minute.
        """
        pauses = []
        for _ in range(8):
            self.throttle.failed(HERE, "alice", 0.0)
        for _ in range(8):
            self.throttle.failed(THERE, "alice", 0.0)
            pauses.append(self.throttle.wait(THERE, "alice", 0.0))
        self.assertEqual([0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0], pauses)
        self.fail_often(5000, peer="")
        self.assertEqual(60.0, self.throttle.wait("", "alice", 0.0))

    def test_address(self) -> None:
        """
        An address that fails for many accounts waits for all of them.
        """
        for number in range(limits.FAILURES_PER_ADDRESS):
            self.throttle.failed(HERE, f"user{number}", 0.0)
        self.assertEqual(1.0, self.throttle.wait(HERE, "alice", 0.0))
        self.assertEqual(0.0, self.throttle.wait(THERE, "alice", 0.0))

    def test_whole_ipv6_network(self) -> None:
        """
        Changing the address inside a /64 helps nobody.
        """
        for number in range(limits.FAILURES_PER_ADDRESS):
            self.throttle.failed(f"2001:db8::{number:x}", f"user{number}", 0.0)
        self.assertEqual(1.0, self.throttle.wait("2001:db8::abcd", "alice", 0.0))

    def test_loopback(self) -> None:
        """
        Loopback counts by account only: many may be behind it.
        """
        for number in range(5 * limits.FAILURES_PER_ADDRESS):
            self.throttle.failed("127.0.0.1", f"user{number}", 0.0)
        self.assertEqual(0.0, self.throttle.wait("127.0.0.1", "alice", 0.0))
        self.fail_often(limits.FAILURES_PER_ACCOUNT, peer="127.0.0.1")
        self.assertEqual(1.0, self.throttle.wait("127.0.0.1", "alice", 0.0))

    def test_forgotten(self) -> None:
        """
        A quarter of an hour without a failure, and counting begins anew.
        """
        self.fail_often(limits.FAILURES_PER_ACCOUNT + 30)
        self.assertEqual(0.0, self.throttle.wait(HERE, "alice", limits.FAILURES_REMEMBERED))
        self.throttle.failed(HERE, "alice", limits.FAILURES_REMEMBERED)
        self.assertEqual(0.0, self.throttle.wait(HERE, "alice", limits.FAILURES_REMEMBERED))

    def test_success(self) -> None:
        """
        The right password forgets what was held against the account, not what was held against the address.
        """
        self.fail_often(limits.FAILURES_PER_ADDRESS)
        self.throttle.succeeded(THERE, "alice")
        self.assertEqual(0.0, self.throttle.wait("192.0.2.3", "alice", 0.0))
        self.assertEqual(1.0, self.throttle.wait(HERE, "alice", 0.0))

    def test_owner_is_not_kept_out(self) -> None:
        """
        Where an account has logged in from, it is not kept out by others' failures; its own failures end that.
        """
        self.throttle.succeeded(THERE, "alice")
        self.fail_often(limits.FAILURES_PER_ACCOUNT)
        self.assertEqual(0.0, self.throttle.wait(THERE, "alice", 0.0))
        self.assertEqual(1.0, self.throttle.wait(HERE, "alice", 0.0))
        self.throttle.failed(THERE, "alice", 0.0)
        self.assertEqual(2.0, self.throttle.wait(THERE, "alice", 0.0))

    def test_memory_is_bounded(self) -> None:
        """
        However many names and addresses are tried, a bounded number is remembered: the latest.
        """
        self.patch(limits, "FAILURES_TRACKED", 5)
        for number in range(20):
            self.throttle.failed(f"198.51.100.{number}", f"user{number}", 0.0)
            self.throttle.succeeded(f"203.0.113.{number}", f"other{number}")
        self.fail_often(limits.FAILURES_PER_ACCOUNT)
        for part in (self.throttle._addresses, self.throttle._accounts, self.throttle._known):
            self.assertEqual(5, len(part))
        self.assertEqual(1.0, self.throttle.wait(HERE, "alice", 0.0))
