"""
Where mail for an address goes.
"""

from __future__ import annotations

from attrs import frozen

from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model.accounts import Account
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import NoSuchAccount, RelayDenied


@frozen
class Local:
    """
    Into the INBOX of an account here.
    """

    account: Account


async def route(directory: IDirectory, address: Address) -> Local:
    """
    Where mail for C{address} goes.

    @raise NoSuchAccount: the domain is ours, and nobody of that name lives in it.
    @raise RelayDenied: the domain is elsewhere.
    """
    account = await directory.recipient(address)
    if account is not None:
        return Local(account)
    # RFC 5321 section 4.5.1: <postmaster> alone is an address of ours.
    if not address.domain or await directory.is_local(address.domain):
        raise NoSuchAccount(f"No mailbox here by the name of <{address}>.")
    raise RelayDenied(f"Mail for {address.domain} is not relayed: this server delivers to its own domains only.")
