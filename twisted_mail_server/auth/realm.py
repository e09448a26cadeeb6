"""
From an account's id to what it may do: the realm of every protocol, and the logins that are alive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.cred.error import LoginDenied, UnauthorizedLogin
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from twisted_mail_server.interfaces import IAccountMail, IDirectory, IMailStore, IMailUser, ISubmitter
from twisted_mail_server.model.accounts import Account, AccountId
from twisted_mail_server.model.addresses import Address

_log = Logger()

#: What a session is told that must end.
REVOKED = "The account was closed, or its password changed."


class Mind(Protocol):
    """
    A session, as the realm sees it.
    """

    def revoked(self, reason: str) -> None:
        """
        The account is gone or has a new password: end.
        """


@implementer(ISubmitter)
@frozen
class Submitter:
    """
    Somebody who may send mail.
    """

    account: Account
    _directory: IDirectory

    async def may_send_as(self, address: Address) -> bool:
        """
        Whether that sender address is theirs (RFC 6409 section 6.1).
        """
        return await self._directory.owns(self.account.id, address)


@implementer(IMailUser)
@frozen
class MailUser:
    """
    Somebody who reads their mail.
    """

    account: Account
    mail: IAccountMail


@define(eq=False)
class _Live:
    """
    One login that has not ended.
    """

    mind: Mind | None
    is_revoked: bool = False


@implementer(IRealm)
@define(eq=False)
class MailRealm:
    """
    Gives L{ISubmitter} to those who send, L{IMailUser} to those who read, and ends what must end.
    """

    _directory: IDirectory
    _store: IMailStore
    _live: dict[AccountId, list[_Live]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._directory.listen(self._end)

    def requestAvatar(self, avatarId: bytes | tuple[()], mind: Any, *interfaces: Any) -> Deferred[Any]:
        """
        The first of C{interfaces} that we have, its avatar, and what to call when the session is over.

        @raise NotImplementedError: we have none of them.
        @raise UnauthorizedLogin: the account is gone, or disabled.
        """
        return Deferred.fromCoroutine(self._avatar(avatarId, mind, interfaces))

    def live_logins(self, account: AccountId) -> int:
        """
        How many sessions an account has.
        """
        return len(self._live.get(account, ()))

    async def _avatar(
        self, avatar_id: bytes | tuple[()], mind: Mind | None, interfaces: tuple[Any, ...]
    ) -> tuple[Any, object, Callable[[], None]]:
        wanted = next((interface for interface in interfaces if interface in (ISubmitter, IMailUser)), None)
        if wanted is None:
            raise NotImplementedError("Nobody here provides what was asked for.")
        if not isinstance(avatar_id, bytes):
            raise LoginDenied("Nobody is anonymous here.")
        account_id = AccountId.parse(avatar_id.decode("ascii"))
        # Known before anything is waited for: a change of the password from here on ends this login.
        login = _Live(mind)
        self._live.setdefault(account_id, []).append(login)
        try:
            account = await self._directory.account(account_id)
            if account is None or account.is_disabled:
                raise UnauthorizedLogin("The account is gone.")
            avatar: object
            if wanted is ISubmitter:
                avatar = Submitter(account, self._directory)
            else:
                avatar = MailUser(account, await self._store.open(account_id))
            if login.is_revoked:
                raise UnauthorizedLogin("The account changed during the login.")
        except BaseException:
            self._forget(account_id, login)
            raise
        return wanted, avatar, lambda: self._forget(account_id, login)

    def _forget(self, account: AccountId, login: _Live) -> None:
        logins = self._live.get(account, [])
        if login in logins:
            logins.remove(login)
            if not logins:
                del self._live[account]

    def _end(self, account: AccountId) -> None:
        """
        The directory says that the sessions of an account must end.
        """
        for login in self._live.pop(account, ()):
            login.is_revoked = True
            if login.mind is None:
                continue
            try:
                login.mind.revoked(REVOKED)
            except Exception:  # noqa: BLE001 (the other sessions must end too)
                _log.failure("a session of {account} did not end", account=str(account))
