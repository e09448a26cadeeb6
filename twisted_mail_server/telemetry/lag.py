"""
How long the reactor keeps everybody waiting.

A timer is set for each second, and how late it rings is how long whatever else was due then had to wait too.
"""

from __future__ import annotations

from collections import deque

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_mail_server.model import limits


@define(eq=False)
class ReactorLag:
    """
    Measures the lag of a reactor, once in L{limits.LAG_INTERVAL} seconds.
    """

    _clock: IReactorTime
    _lags: deque[float] = field(init=False, factory=lambda: deque(maxlen=limits.LAG_KEPT))
    _call: IDelayedCall | None = field(init=False, default=None)
    _due: float = field(init=False, default=0.0)

    @property
    def latest(self) -> float:
        """
        The last one measured, in seconds.
        """
        return self._lags[-1] if self._lags else 0.0

    @property
    def worst(self) -> float:
        """
        The worst of the last L{limits.LAG_KEPT}.
        """
        return max(self._lags, default=0.0)

    def start(self) -> None:
        """
        Begin to measure; only once the reactor runs, for what is before is no lag.
        """
        self._due = self._clock.seconds() + limits.LAG_INTERVAL
        self._call = self._clock.callLater(limits.LAG_INTERVAL, self._rang)

    def stop(self) -> None:
        """
        Measure no more; harmless twice.
        """
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _rang(self) -> None:
        self._lags.append(max(0.0, self._clock.seconds() - self._due))
        self.start()
