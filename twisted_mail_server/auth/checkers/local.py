"""
The directory as a source of truth about passwords.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from twisted.cred.error import UnauthorizedLogin
from twisted.logger import Logger

from twisted_mail_server.auth.credentials import IPasswordSecret, IProvedSecret, PasswordSecret, ProvedSecret
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.interfaces import IDirectory
from twisted_mail_server.model.accounts import (
    NO_PASSWORD,
    Account,
    AccountId,
    ScramKeys,
    ScramProof,
    StoredCredentials,
)
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

    def kinds(self) -> frozenset[Any]:
        """
        Passwords; proofs once every account has the keys for them.
        """
        return frozenset((IPasswordSecret, IProvedSecret) if self.directory.all_have_keys() else (IPasswordSecret,))

    async def keys(self, name: str, hash_name: str) -> ScramKeys | None:
        """
        An account's keys; L{None} too if it has none.
        """
        found = await self.directory.login(name)
        return None if found is None else _keys(found[1], hash_name)

    async def check(self, secret: PasswordSecret | ProvedSecret) -> AccountId | None:
        """
        The account, if the directory knows it and its password, and the password is right.

        @raise UnauthorizedLogin: wrong password, or the account is disabled.
        """
        found = await self.directory.login(secret.name)
        if found is None or found[1].password_hash == NO_PASSWORD:
            return None
        if isinstance(secret, ProvedSecret):
            return _check_proof(secret.proof, *found)
        return await self._check_password(secret, found)

    async def _check_password(
        self, secret: PasswordSecret, found: tuple[Account, StoredCredentials] | None
    ) -> AccountId:
        """
        A password that changes while it is being checked is checked anew: the old one opens nothing, not even late.
        """
        for _ in range(_ATTEMPTS):
            if found is None:
                break
            account, credentials = found
            is_right = await self.passwords.verify(secret.password, credentials)
            if not is_right or account.is_disabled:
                raise UnauthorizedLogin("Wrong password, or disabled.")
            found = await self.directory.login(secret.name)
            if found is not None and found[1].password_hash == credentials.password_hash:
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


def _keys(credentials: StoredCredentials, hash_name: str) -> ScramKeys | None:
    return {"sha256": credentials.scram_sha_256, "sha1": credentials.scram_sha_1}[hash_name]


def _check_proof(proof: ScramProof, account: Account, credentials: StoredCredentials) -> AccountId:
    """
    A proof that was right, and that the account's keys of this moment would call right too.
    """
    if not proof.is_right or account.is_disabled or _keys(credentials, proof.hash_name) != proof.keys:
        raise UnauthorizedLogin("Wrong password, or changed meanwhile, or disabled.")
    return account.id
