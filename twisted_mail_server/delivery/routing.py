"""
Where mail for an address goes: into mailboxes here, on to other servers, or nowhere.

Aliases are followed until only accounts and addresses elsewhere are left (RFC 5321 section 3.9).
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model.accounts import Account, Alias
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import CannotDo, NoSuchAccount

#: Aliases that lead from one to the next, and addresses that one address stands for: beyond that it is a mistake.
DEPTH, TARGETS = 10, 1000


@frozen
class Local:
    """
    Into the INBOX of an account here.
    """

    address: Address
    account: Account


@frozen
class Remote:
    """
    On to the servers of another domain.
    """

    address: Address
    #: Whether one of our aliases, or a bounce of what we forwarded, leads there: then it is we who send it.
    is_forward: bool = False


Destination = Local | Remote


@frozen
class Router:
    """
    Finds the destinations of an address.
    """

    _directory: IDirectory
    #: Who a bounce to a rewritten sender address is for; L{None} if C{address} is no such address of ours.
    _recover: Callable[[Address], Address | None]

    async def destinations(self, address: Address) -> list[Destination]:
        """
        Where mail for C{address} goes; never nowhere.

        @raise NoSuchAccount: the domain is ours, and nobody of that name lives in it.
        @raise CannotDo: its aliases lead in a circle and nowhere else, or to more addresses than they may.
        """
        if address.domain and not await self._directory.is_local(address.domain):
            return [Remote(address)]
        original = self._recover(address)
        if original is not None:
            # A bounce of what we forwarded goes back to who sent it, whoever that is.
            if await self._directory.is_local(original.domain):
                return await self.destinations(original)
            return [Remote(original, is_forward=True)]
        search = _Search(self._directory)
        await search.follow(address, 0)
        if not search.found:
            raise search.problem or NoSuchAccount(f"No mailbox here by the name of <{address}>.")
        return list(search.found.values())

    async def final(self, address: Address) -> Destination:
        """
        Where mail for an address goes that aliases have been followed to before.

        @raise NoSuchAccount: the domain is ours, and nobody of that name lives in it any more.
        """
        if address.domain and not await self._directory.is_local(address.domain):
            return Remote(address)
        found = await self._directory.lookup(address)
        if isinstance(found, Account):
            return Local(address, found)
        raise NoSuchAccount(f"No mailbox here by the name of <{address}>.")


@define(eq=False)
class _Search:
    """
    One walk along the aliases.
    """

    _directory: IDirectory
    found: dict[str, Destination] = field(init=False, factory=dict)
    problem: CannotDo | None = field(init=False, default=None)
    _seen: set[str] = field(init=False, factory=set)

    async def follow(self, address: Address, depth: int) -> None:
        """
        Add what C{address} stands for.  One that stands for nobody is passed over where there are others.
        """
        if depth > DEPTH or len(self._seen) > TARGETS:
            self.problem = CannotDo(f"The aliases of <{address}> lead too far.")
            return
        if address.key in self._seen:
            self.problem = self.problem or CannotDo(f"The aliases of <{address}> lead in a circle.")
            return
        self._seen.add(address.key)
        if address.domain and not await self._directory.is_local(address.domain):
            self.found[address.key] = Remote(address, is_forward=True)
            return
        entry = await self._directory.lookup(address)
        if isinstance(entry, Account):
            # RFC 5321 section 4.5.1: <postmaster> may come without a domain; what is stored has one.
            full = address if address.domain else Address(address.local, entry.address.domain)
            self.found[full.key] = Local(full, entry)
        elif isinstance(entry, Alias):
            for target in entry.targets:
                await self.follow(target, depth + 1)
