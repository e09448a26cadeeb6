"""
Guessing made slow, by address and by account (pure: time is passed in).

A few failures are free.  After that each further try must wait for the one before it, twice as long each time, up to
a minute; a quarter of an hour without a failure, and all is forgotten.  A right password forgets what was held against
its account.  An address from which an account has logged in before is not kept out by what others do to the account.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import define, field, frozen

from twisted_mail_server.model import limits

_K = TypeVar("_K", bound=Hashable)

#: The part of an IPv6 address that one customer has at least.
_PREFIX = 64


@frozen
class _Failures:
    count: int
    last: float


@define(eq=False)
class Counter(Generic[_K]):
    """
    Failures by key, the last one to fail at the end; the oldest make room.
    """

    free: int
    _failures: dict[_K, _Failures] = field(init=False, factory=dict)

    def wait(self, key: _K, now: float) -> float:
        """
        Seconds until the next try is looked at; 0 if it is at once.
        """
        known = self._failures.get(key)
        if known is None or known.count < self.free:
            return 0.0
        since = now - known.last
        if since >= limits.FAILURES_REMEMBERED:
            return 0.0
        # The exponent is bounded so that the power stays a small number, however many the failures.
        pause = min(2.0 ** min(known.count - self.free, 20), limits.FAILURE_WAIT_LONGEST)
        return max(0.0, pause - since)

    def add(self, key: _K, now: float) -> None:
        """
        One more failure.
        """
        known = self._failures.pop(key, None)
        is_fresh = known is None or now - known.last >= limits.FAILURES_REMEMBERED
        self._failures[key] = _Failures(1 if known is None or is_fresh else known.count + 1, now)
        if len(self._failures) > limits.FAILURES_TRACKED:
            del self._failures[next(iter(self._failures))]

    def forget(self, key: _K) -> None:
        """
        Nothing is held against it any more.
        """
        self._failures.pop(key, None)

    def __len__(self) -> int:
        return len(self._failures)


@define(eq=False)
class Throttle:
    """
    Who must wait before the next login is looked at.
    """

    _addresses: Counter[str] = field(init=False, factory=lambda: Counter(limits.FAILURES_PER_ADDRESS))
    _accounts: Counter[str] = field(init=False, factory=lambda: Counter(limits.FAILURES_PER_ACCOUNT))
    #: Where accounts have logged in from, the oldest first.
    _known: dict[tuple[str, str], None] = field(init=False, factory=dict)

    def wait(self, peer: str, account: str, now: float) -> float:
        """
        Seconds until a try of C{peer} for C{account} is looked at; 0 if it is at once.
        """
        network = network_of(peer)
        by_address = self._addresses.wait(network, now) if network else 0.0
        by_account = 0.0 if (account, network) in self._known else self._accounts.wait(account, now)
        return max(by_address, by_account)

    def failed(self, peer: str, account: str, now: float) -> None:
        """
        A wrong name or password.
        """
        network = network_of(peer)
        if network:
            self._addresses.add(network, now)
        self._accounts.add(account, now)
        self._known.pop((account, network), None)

    def succeeded(self, peer: str, account: str) -> None:
        """
        The right password.
        """
        self._accounts.forget(account)
        place = (account, network_of(peer))
        self._known.pop(place, None)
        self._known[place] = None
        if len(self._known) > limits.FAILURES_TRACKED:
            del self._known[next(iter(self._known))]


def network_of(peer: str) -> str:
    """
    What stands for a client: its IPv4 address, or the /64 of its IPv6 address; empty for loopback and Unix sockets, behind
    which many may be, and which count by account only.
    """
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, _PREFIX), strict=False))
    return str(address)
