"""
Accounts, passwords and aliases that come and go, as C{mailctl} does it.
"""

from __future__ import annotations

from random import Random

from attrs import define, evolve

from tests.prove.house import House
from tests.prove.ledger import Ledger
from twisted_mail_server.model.errors import MailError


@define(eq=False)
class Administrator:
    """
    The only one who changes the directory.
    """

    house: House
    chance: Random
    ledger: Ledger
    #: Addresses here, with the accounts that get their mail: senders write to them.
    people: dict[str, tuple[str, ...]]
    number: int = 0
    refusals: int = 0

    async def work(self, commands: int) -> None:
        """
        Change a few things.
        """
        for _ in range(max(1, commands // 3)):
            self.number += 1
            await self.chance.choice((self.add, self.add, self.remove, self.password, self.alias))()

    async def add(self) -> None:
        """
        An account: a guest, who gets mail from then on, or one that will go.
        """
        address = f"{self.chance.choice(('guest', 'gone'))}-{self.number}@example.org"
        operations, known = self.house.operations, self.ledger.people.known
        word = b"first-%d" % self.number
        step = self.ledger.people.begin(
            self.house.position(), evolve(known, passwords={**known.passwords, address: word})
        )
        try:
            await operations.add_account(address, word)
        except MailError:
            await self._look_again()
            return
        step.answered = self.house.position()
        if address.startswith("guest"):
            self.people[address] = (address,)

    async def remove(self) -> None:
        """
        An account that gets no mail.
        """
        known = self.ledger.people.known
        if candidates := sorted(one for one in known.passwords if one.startswith("gone")):
            address = self.chance.choice(candidates)
            rest = {one: word for one, word in known.passwords.items() if one != address}
            step = self.ledger.people.begin(self.house.position(), evolve(known, passwords=rest))
            try:
                await self.house.operations.remove_account(address)
            except MailError:
                await self._look_again()
                return
            step.answered = self.house.position()

    async def password(self) -> None:
        """
        A new password.
        """
        known = self.ledger.people.known
        if candidates := sorted(one for one in known.passwords if one.startswith(("gone", "guest"))):
            address, word = self.chance.choice(candidates), b"changed-%d" % self.number
            step = self.ledger.people.begin(
                self.house.position(), evolve(known, passwords={**known.passwords, address: word})
            )
            try:
                await self.house.operations.set_password(address, word)
            except MailError:
                await self._look_again()
                return
            step.answered = self.house.position()

    async def alias(self) -> None:
        """
        A new alias for a new person, or one less.
        """
        known, operations = self.ledger.people.known, self.house.operations
        address = f"team-{self.number % 3}@example.org"
        rest = {name: targets for name, targets in known.aliases.items() if name != address}
        is_there = address in known.aliases
        targets = ("ann@example.org",)
        after = evolve(known, aliases=rest if is_there else {**rest, address: targets})
        step = self.ledger.people.begin(self.house.position(), after)
        try:
            if is_there:
                await operations.remove_alias(address)
            else:
                await operations.add_alias(address, targets)
        except MailError:
            await self._look_again()
            return
        step.answered = self.house.position()

    async def _look_again(self) -> None:
        """
        After a refusal: what stands now.
        """
        self.refusals += 1
        track = self.ledger.people
        addresses = {str(account.address) for account in await self.house.operations.accounts()}
        aliases = {str(one.address): tuple(map(str, one.targets)) for one in await self.house.operations.aliases()}
        for state in (track.steps[-1].after, track.known):
            if set(state.passwords) == addresses and state.aliases == aliases:
                track.found(self.house.position(), state)
                return
        raise AssertionError(f"{addresses} and {aliases} is neither what was nor what was to be")
