"""
Where an alias leads in the end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted_mail_server.model.accounts import Account, AccountId, Alias
from twisted_mail_server.model.addresses import Address

Lookup = Callable[[Address], Awaitable[Account | Alias | None]]


async def leads_only_to(lookup: Lookup, address: Address, account: AccountId) -> bool:
    """
    Whether all mail for C{address} goes to one account: it is theirs, or an alias that leads to nobody else, here or elsewhere.
    """
    ahead, seen, is_reached = [address], {address.key}, False
    while ahead:
        found = await lookup(ahead.pop())
        if isinstance(found, Alias):
            new = [target for target in found.targets if target.key not in seen]
            seen.update(target.key for target in new)
            ahead += new
        elif found is not None and found.id == account:
            is_reached = True
        else:
            # Somebody else's, somewhere else, or nowhere.
            return False
    return is_reached
