"""
All an administrator can do, once: whatever the way in, it comes here.

Each operation takes what people write (addresses, ids), gives values, and raises
L{MailError <twisted_mail_server.model.errors.MailError>} with a sentence for people.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence

from attrs import evolve, frozen

from twisted_mail_server.admin.backup import FINISHED, Copied, Copy
from twisted_mail_server.admin.exporting import MaildirExport, MboxExport
from twisted_mail_server.admin.importing import Dates, MaildirImport, MboxImport
from twisted_mail_server.admin.moving import Moved, Progress
from twisted_mail_server.interfaces import IDirectory, IDisk, IMailStore, IPasswords, ISpool
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import NO_PASSWORD, Account, AccountId, Alias, StoredCredentials
from twisted_mail_server.model.addresses import Address, parse_domain
from twisted_mail_server.model.errors import InUse, MailError, NoSuchAccount, Refused, SyntaxProblem
from twisted_mail_server.model.queue import Ledger, QueueChange, QueuedMessage, QueueId, Story

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
    #: For files outside the data directory as well.
    disk: IDisk
    random: Callable[[int], bytes]
    #: Seconds since 1970.
    now: Callable[[], float]
    #: Further checks by name, such as of the databases.
    checks: Sequence[tuple[str, Check]] = ()

    # --- Accounts -------------------------------------------------------------------------------------------------------

    async def accounts(self) -> list[Account]:
        """
        Everyone, sorted by address.
        """
        return await self.directory.accounts()

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

    async def import_account(self, address: str, password_hash: str | None) -> Account:
        """
        Make an account with a hash that was made elsewhere, or without any password: then only a checker that the settings name
        can let it in.

        @raise SyntaxProblem: that is no address with a domain.
        @raise AccountExists: the address is taken.
        @raise Refused: the hash cannot be checked here.
        """
        parsed = parse_account_address(address)
        account = await self.directory.add_account(parsed, await self._kept(password_hash))
        await self.store.create(account.id)
        return account

    async def import_password(self, address: str, password_hash: str | None) -> Account:
        """
        Give an account a hash that was made elsewhere, or take its password away; its sessions end.

        @raise NoSuchAccount: there is none.
        @raise Refused: the hash cannot be checked here.
        """
        account = await self.find_account(address)
        await self.directory.set_credentials(account.id, await self._kept(password_hash))
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

    async def set_disabled(self, address: str, is_disabled: bool) -> Account:
        """
        Shut an account, whose sessions end, or open it again.

        @raise NoSuchAccount: there is none.
        """
        account = await self.find_account(address)
        await self.directory.set_disabled(account.id, is_disabled)
        return evolve(account, is_disabled=is_disabled)

    async def set_quota(self, address: str, octets: int | None) -> Account:
        """
        Bound the mail of an account, or take the bound off.  What it has already stays.

        @raise NoSuchAccount: there is none.
        """
        account = await self.find_account(address)
        await self.directory.set_quota(account.id, octets)
        return evolve(account, quota=octets)

    async def usage(self, address: str) -> tuple[Account, int, int]:
        """
        An account, and the octets and messages it has.

        @raise NoSuchAccount: there is none.
        """
        account = await self.find_account(address)
        octets, messages = await (await self.store.open(account.id)).usage()
        return account, octets, messages

    def make_password(self) -> bytes:
        """
        A new random password of URL-safe characters.
        """
        return base64.urlsafe_b64encode(self.random(_PASSWORD))

    # --- Domains and aliases --------------------------------------------------------------------------------------------

    async def domains(self) -> list[str]:
        """
        The local domains, sorted.
        """
        return await self.directory.domains()

    async def add_domain(self, domain: str) -> str:
        """
        Make a domain local; fine if it is.

        @raise SyntaxProblem: that is no domain.
        """
        parsed = _parse_named_domain(domain)
        await self.directory.add_domain(parsed)
        return parsed

    async def remove_domain(self, domain: str) -> str:
        """
        Make it local no more.

        @raise Refused: it is not local; or the settings declare it, or an account or alias is in it.
        """
        parsed = _parse_named_domain(domain)
        if not await self.directory.is_local(parsed):
            raise Refused(f"{parsed} is not a local domain.")
        await self.directory.remove_domain(parsed)
        return parsed

    async def aliases(self) -> list[Alias]:
        """
        All of them, sorted by address.
        """
        return await self.directory.aliases()

    async def add_alias(self, address: str, targets: Sequence[str]) -> Alias:
        """
        Make an alias, or lead one that is there to further targets.

        @raise SyntaxProblem: one of them is no address.
        @raise AccountExists: an account has that address.
        """
        parsed, further = parse_alias_address(address), [_parse_target(target) for target in targets]
        known = await self._find_alias(parsed)
        return await self._set_alias(parsed, [*(() if known is None else known.targets), *further])

    async def remove_alias(self, address: str, targets: Sequence[str] = ()) -> Alias | None:
        """
        Forget an alias, or lead it no more to some of its targets; what is left of it.

        @raise NoSuchAccount: there is no such alias, or it does not lead there.
        """
        parsed, unwanted = parse_alias_address(address), {_parse_target(target).key: target for target in targets}
        known = await self._find_alias(parsed)
        if known is None:
            raise NoSuchAccount(f"There is no alias {address}.")
        for key, target in unwanted.items():
            if key not in {each.key for each in known.targets}:
                raise NoSuchAccount(f"The alias {address} does not lead to {target}.")
        left = [target for target in known.targets if target.key not in unwanted] if unwanted else []
        if left:
            return await self._set_alias(parsed, left)
        await self.directory.remove_alias(parsed)
        return None

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

    async def change_queued(self, queue_id: str, change: QueueChange) -> QueuedMessage:
        """
        Hold a message that waits, release it, try it now, or take it out.

        @raise SyntaxProblem: that is no queue id.
        @raise NoSuchMessage: there is no such message that waits.
        """
        return await self.spool.change(QueueId.parse(queue_id.strip().lower()), change)

    async def ledger(self) -> Ledger:
        """
        What was promised and what became of it, compared with every row and every content.
        """
        return await self.spool.ledger(is_thorough=True)

    async def stories(self, query: str, limit: int = limits.STORIES) -> list[Story]:
        """
        What became of the messages with that queue id or Message-ID, or with C{query} in an address of theirs, newest first.

        @raise Refused: there is none, or C{query} is empty.
        """
        found = await self.spool.stories(query, limit) if query.strip() else []
        if not found:
            raise Refused(f"No message is known by {query.strip() or 'nothing'}. History keeps them for a while only.")
        return found

    # --- Mail from and to elsewhere -------------------------------------------------------------------------------------

    async def import_maildir(
        self, address: str, folder: str, told: Progress, *, dates: Dates = Dates.MODIFIED, keeps_names: bool = False
    ) -> Moved:
        """
        Bring a Maildir tree at an absolute path into an account; what was brought in before is left alone.

        @raise NoSuchAccount: there is none.
        @raise Refused: that is no Maildir.
        """
        mail = await self.store.open((await self.find_account(address)).id)
        return await MaildirImport(self.disk, mail, folder, told, dates, keeps_names).run()

    async def import_mbox(self, address: str, path: str, mailbox: str, told: Progress) -> Moved:
        """
        Bring an mbox at an absolute path into one mailbox; what was brought in before is left alone.

        @raise NoSuchAccount: there is none.
        @raise SyntaxProblem: that is no mbox.
        """
        mail = await self.store.open((await self.find_account(address)).id)
        return await MboxImport(self.disk, mail, path, mailbox, told).run()

    async def export_maildir(self, address: str, folder: str, told: Progress) -> Moved:
        """
        Write an account to a Maildir++ tree at an absolute path: what is missing there.

        @raise NoSuchAccount: there is none.
        """
        mail = await self.store.open((await self.find_account(address)).id)
        return await MaildirExport(self.disk, mail, folder, told).run()

    async def export_mbox(self, address: str, path: str, mailbox: str, told: Progress) -> Moved:
        """
        Write one mailbox to a new mbox at an absolute path.

        @raise NoSuchAccount: there is none.
        @raise NoSuchMailbox: the account has no such mailbox.
        @raise Refused: there is a file of that name.
        """
        mail = await self.store.open((await self.find_account(address)).id)
        return await MboxExport(self.disk, mail, path, mailbox, told).run()

    # --- Backups --------------------------------------------------------------------------------------------------------

    async def back_up(self, folder: str, told: Progress) -> Copied:
        """
        Copy the data directory to an absolute path, or bring an older copy there up to date.

        @raise Refused: it would lie in the data directory, or the folder holds something else.
        """
        return await Copy(self.disk, self.disk.root, folder, self.now, told).back_up()

    async def restore(self, folder: str, told: Progress) -> Copied:
        """
        Make a data directory at an absolute path of the copy that is open.

        @raise Refused: the copy is not whole, or the folder is not empty.
        """
        return await Copy(self.disk, self.disk.root, folder, self.now, told).restore()

    async def check_backup(self) -> list[Finding]:
        """
        Look whether the copy that is open was finished, and is whole.
        """
        problems = () if self.disk.exists(FINISHED) else ("This is no backup, or one that was not finished.",)
        return [Finding("backup", problems), *await self.check()]

    # --- Checks ---------------------------------------------------------------------------------------------------------

    async def check(self) -> list[Finding]:
        """
        Look at everything.  A check that cannot be done is itself a finding.
        """
        checks: list[tuple[str, Check]] = [
            ("accounts", self._check_accounts),
            ("aliases", self._check_aliases),
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

    async def _check_aliases(self) -> list[str]:
        """
        Every alias leads to somebody; what is elsewhere is for others to know.
        """
        problems: list[str] = []
        for alias in await self.directory.aliases():
            problems += [
                f"The alias {written(alias.address)} leads to {target}, and nobody has that address."
                for target in alias.targets
                if await self.directory.is_local(target.domain) and await self.directory.lookup(target) is None
            ]
        return problems

    async def _check_mail(self) -> list[str]:
        """
        The mail of every account can be opened, is whole, and agrees with itself.
        """
        problems = []
        for account_id in await self.store.accounts():
            try:
                mail = await self.store.open(account_id)
                problems += [f"The mail of account {account_id}: {problem}" for problem in await mail.problems()]
            except (MailError, OSError) as problem:
                problems.append(f"The mail of account {account_id} cannot be opened: {problem}")
        return problems

    async def _check_queue(self) -> list[str]:
        """
        The queue can be read, and the ledger adds up.
        """
        await self.spool.waiting()
        ledger = await self.ledger()
        problems = [*ledger.problems]
        if ledger.unaccounted:
            problems.append(f"Of {ledger.promised} recipients promised, {ledger.unaccounted} are not accounted for.")
        return problems

    async def _kept(self, password_hash: str | None) -> StoredCredentials:
        if password_hash is None:
            return StoredCredentials(NO_PASSWORD)
        return await self.passwords.adopt(password_hash)

    async def _find_alias(self, address: Address) -> Alias | None:
        return next((alias for alias in await self.directory.aliases() if alias.address.key == address.key), None)

    async def _set_alias(self, address: Address, targets: Sequence[Address]) -> Alias:
        unique = {target.key: target for target in targets}
        alias = Alias(address, tuple(unique[key] for key in sorted(unique)))
        await self.directory.set_alias(alias)
        return alias

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


def written(address: Address) -> str:
    """
    An alias's address as it is typed: a catch-all is its domain, with the C{@}.
    """
    return str(address) if address.local else f"@{address.domain}"


def parse_alias_address(text: str) -> Address:
    """
    An address that an alias may have: as for an account, or C{@domain} for all that is nobody's there.

    @raise SyntaxProblem: it is none.
    """
    if text.startswith("@"):
        return Address("", _parse_named_domain(text[1:]))
    return parse_account_address(text)


def _parse_target(text: str) -> Address:
    try:
        return Address.parse(text)
    except SyntaxProblem as problem:
        raise SyntaxProblem(f"{text} is not an address: {problem.public}") from None


def _parse_named_domain(text: str) -> str:
    """
    A domain that has a name.
    """
    try:
        domain = parse_domain(text)
    except SyntaxProblem as problem:
        raise SyntaxProblem(f"{text} is not a domain: {problem.public}") from None
    if domain.startswith("["):
        raise SyntaxProblem(f"{text} is not a domain: it has no name.")
    return domain


def _account_id(text: str) -> AccountId | None:
    try:
        return AccountId.parse(text)
    except SyntaxProblem:
        return None
