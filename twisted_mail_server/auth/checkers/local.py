"""
The directory as a source of truth about passwords.
"""

from __future__ import annotations

from attrs import frozen
from twisted.cred.error import UnauthorizedLogin
from twisted.logger import Logger

from twisted_mail_server.auth.credentials import PasswordSecret
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model.accounts import AccountId, StoredCredentials
from twisted_mail_server.model.errors import MailError

_log = Logger()

#: So often a password may change, or be renewed by another login, while one login checks it.
_ATTEMPTS = 3


@frozen
class LocalPasswords:
    """
    The accounts of the directory.
    """

    directory: IDirectory
    passwords: Argon2Passwords

    async def check(self, secret: PasswordSecret) -> AccountId | None:
        """
        The account, if the directory knows it and the password is right.

        A password that changes while it is being checked is checked anew: the old one opens nothing, not even late.

        @raise UnauthorizedLogin: wrong password, or the account is disabled.
        """
        found = await self.directory.login(secret.name)
        if found is None:
            return None
        for _ in range(_ATTEMPTS):
            account, credentials = found
            is_right = await self.passwords.verify(secret.password, credentials)
            if not is_right or account.is_disabled:
                raise UnauthorizedLogin("Wrong password, or disabled.")
            found = await self.directory.login(secret.name)
            if found is None:
                break
            if found[1].password_hash == credentials.password_hash:
                await self._renew(found[0].id, secret.password, credentials)
                return found[0].id
        raise UnauthorizedLogin("The password changed during the login.")

    async def _renew(self, account: AccountId, password: bytes, credentials: StoredCredentials) -> None:
        """
        Keep a password in today's form; a failure to do so is no failure of the login.
        """
        if not self.passwords.needs_renewal(credentials):
            return
        try:
            await self.directory.renew_credentials(account, credentials, await self.passwords.store(password))
        except MailError as problem:
            _log.warn("password of {account} not renewed: {problem}", account=str(account), problem=problem.public)
