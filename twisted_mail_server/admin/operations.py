"""
All an administrator can do, once: whatever the way in, it comes here.

Each operation takes what people write (addresses, ids), gives values, and raises
L{MailError <twisted_mail_server.model.errors.MailError>} with a sentence for people.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from twisted_mail_server.interfaces import IDirectory, IMailStore, IPasswords, ISpool
from twisted_mail_server.model.accounts import Account, AccountId
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.errors import InUse, MailError, NoSuchAccount, Refused, SyntaxProblem
from twisted_mail_server.model.queue import QueuedMessage, QueueId

#: Octets of chance in a password that is made here: 24 characters of it.
_PASSWORD = 18

#: Looks at something and tells what is wrong, a sentence each.
Check = Callable[[], Awaitable[list[str]]]


@frozen
class Finding:
    """
    What one check found.
    """

    name: str
    #: A sentence each; none is good.
    problems: tuple[str, ...]


@frozen
class Operations:
    """
    Works on the resources of one data directory, beside a running server or without one.
    """

    directory: IDirectory
    store: IMailStore
    spool: ISpool
    passwords: IPasswords
    random: Callable[[int], bytes]
    #: Further checks by name, such as of the databases.
    checks: Sequence[tuple[str, Check]] = ()

    # --- Accounts -------------------------------------------------------------------------------------------------------

    async def accounts(self) -> list[Account]:
        """
        Everyone, sorted by address.
        """
        return await self.directory.accounts()

    async def domains(self) -> list[str]:
        """
        The local domains, sorted.
        """
        return await self.directory.domains()

    async def add_account(self, address: str, password: bytes) -> Account:
        """
        Make an account with its first mailboxes.  A running server knows it at once.

        @raise SyntaxProblem: that is no address with a domain.
        @raise AccountExists: the address is taken.
        @raise Refused: the password is empty, or too long.
        """
        parsed = parse_account_address(address)
        account = await self.directory.add_account(parsed, await self.passwords.store(password))
        await self.store.create(account.id)
        return account

    async def set_password(self, address: str, password: bytes) -> Account:
        """
        Give an account a new password; sessions that used the old one end.

        @raise NoSuchAccount: there is none.
        @raise Refused: the password is empty, or too long.
        """
        account = await self.find_account(address)
        await self.directory.set_credentials(account.id, await self.passwords.store(password))
        return account

    async def remove_account(self, name: str) -> str:
        """
        Remove an account, then its mail; the id of an account that has gone before removes what mail it left.  What was removed,
        for people.

        @raise NoSuchAccount: there is neither.
        @raise InUse: the account is gone, but its mail is still open somewhere; the id removes it later.
        """
        orphan = await self._orphan(name)
        if orphan is not None:
            await self.store.remove(orphan)
            return f"the mail of the former account {orphan}"
        account = await self.find_account(name)
        await self.directory.remove_account(account.id)
        try:
            await self.store.remove(account.id)
        except InUse:
            raise InUse(
                f"{account.address} is removed, but its mail is still open. Remove the mail later with: "
                f"mailctl account remove {account.id}"
            ) from None
        return str(account.address)

    async def find_account(self, name: str) -> Account:
        """
        By address, by the local part of one in the default domain, or by id.

        @raise NoSuchAccount: there is none.
        """
        account_id = _account_id(name)
        if account_id is not None:
            account = await self.directory.account(account_id)
            if account is not None:
                return account
        found = await self.directory.login(name)
        if found is None:
            raise NoSuchAccount(f"There is no account {name}.")
        return found[0]

    def make_password(self) -> bytes:
        """
        A new random password of URL-safe characters.
        """
        return base64.urlsafe_b64encode(self.random(_PASSWORD))

    # --- The queue ------------------------------------------------------------------------------------------------------

    async def queue(self) -> list[QueuedMessage]:
        """
        Every message that is not settled, oldest first.
        """
        return await self.spool.waiting()

    async def queued(self, queue_id: str) -> QueuedMessage:
        """
        One message, settled or not, while history keeps it.

        @raise SyntaxProblem: that is no queue id.
        @raise Refused: there is no such message.
        """
        found = await self.spool.find(QueueId.parse(queue_id.strip().lower()))
        if found is None:
            raise Refused(f"There is no message {queue_id}.")
        return found

    # --- Checks ---------------------------------------------------------------------------------------------------------

    async def check(self) -> list[Finding]:
        """
        Look at everything.  A check that cannot be done is itself a finding.
        """
        checks: list[tuple[str, Check]] = [
            ("accounts", self._check_accounts),
            ("mail", self._check_mail),
            ("queue", self._check_queue),
            *self.checks,
        ]
        return [Finding(name, tuple(await _problems(check))) for name, check in checks]

    async def _check_accounts(self) -> list[str]:
        """
        Every account has mail, and all mail an account.
        """
        accounts = {account.id: account for account in await self.directory.accounts()}
        with_mail = set(await self.store.accounts())
        problems = [
            f"The account {account.address} has no mail folder yet; it is made at the first login or delivery."
            for account in accounts.values()
            if account.id not in with_mail
        ]
        problems += [
            f"There is mail of a former account {orphan}; remove it with: mailctl account remove {orphan}"
            for orphan in sorted(with_mail - accounts.keys())
        ]
        return problems

    async def _check_mail(self) -> list[str]:
        """
        The mail of every account can be opened.
        """
        problems = []
        for account_id in await self.store.accounts():
            try:
                await (await self.store.open(account_id)).mailboxes()
            except (MailError, OSError) as problem:
                problems.append(f"The mail of account {account_id} cannot be opened: {problem}")
        return problems

    async def _check_queue(self) -> list[str]:
        """
        The queue can be read.
        """
        await self.spool.waiting()
        return []

    async def _orphan(self, name: str) -> AccountId | None:
        account_id = _account_id(name)
        if account_id is None or await self.directory.account(account_id) is not None:
            return None
        return account_id if account_id in await self.store.accounts() else None


async def _problems(check: Check) -> list[str]:
    try:
        return await check()
    except (MailError, OSError) as problem:
        return [f"It could not be looked at: {problem}"]


def parse_account_address(text: str) -> Address:
    """
    An address that an account may have: with a domain that has a name.

    @raise SyntaxProblem: it is none.
    """
    try:
        address = Address.parse(text)
    except SyntaxProblem as problem:
        raise SyntaxProblem(f"{text} is not an address: {problem.public}") from None
    if address.domain.startswith("["):
        raise SyntaxProblem(f"{text} is not an address for an account: its domain must have a name.")
    return address


def _account_id(text: str) -> AccountId | None:
    try:
        return AccountId.parse(text)
    except SyntaxProblem:
        return None
