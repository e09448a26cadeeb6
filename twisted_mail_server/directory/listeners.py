"""
Who wants to hear that an account is gone or has a new password.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.logger import Logger

from twisted_mail_server.model.accounts import AccountId

_log = Logger()


@define(eq=False)
class Listeners:
    """
    Those who called C{listen}; one that fails keeps none of the others from hearing.
    """

    _listeners: list[Callable[[AccountId], None]] = field(init=False, factory=list)

    def add(self, told: Callable[[AccountId], None]) -> None:
        """
        Have C{told} called from now on.
        """
        self._listeners.append(told)

    def tell(self, account: AccountId) -> None:
        """
        Call everyone.
        """
        for told in self._listeners:
            try:
                told(account)
            except Exception:  # noqa: BLE001 (the others must hear it too)
                _log.failure("telling of account {account} failed", account=str(account))
