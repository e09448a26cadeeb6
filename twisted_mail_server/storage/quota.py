"""
How much mail an account may have.

What its sessions add by APPEND and COPY must fit.  Mail that was promised is delivered all the same: its refusal is at RCPT,
before the promise.  What is moved takes no more room than it took.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted_mail_server.interfaces import ITransaction
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.errors import OverQuota

#: Octets that an account's mail may take; L{None} for as many as it likes.
Quota = Callable[[AccountId], Awaitable[int | None]]


async def unbounded(account: AccountId) -> int | None:
    """
    For a store that knows of no quotas.
    """
    return None


def check(quota: int | None, used: int, added: int) -> None:
    """
    Whether C{added} octets may come to those that are there.

    @raise OverQuota: they do not fit.
    """
    if quota is not None and used + added > quota:
        raise OverQuota("The account's quota does not hold this.")


def check_rows(transaction: ITransaction, quota: int | None, added: int) -> None:
    """
    The same, of the account whose database it is, within the transaction that adds them: so that nobody else adds meanwhile.

    @raise OverQuota: they do not fit.
    """
    if quota is not None:
        ((used,),) = transaction.execute("SELECT coalesce(sum(size), 0) FROM mailbox")
        check(quota, used, added)
