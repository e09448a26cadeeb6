"""
L{twisted_mail_server.auth.checkers}
"""

from __future__ import annotations

from typing import Any

from argon2 import PasswordHasher
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.support.accounts import House
from tests.support.disks import HeldPool
from tests.support.drive import failure_of, now
from twisted_mail_server.auth.checkers.composite import CompositeChecker
from twisted_mail_server.auth.checkers.local import LocalPasswords
from twisted_mail_server.auth.credentials import IPasswordSecret, PasswordSecret, ProvedSecret
from twisted_mail_server.model.accounts import NO_PASSWORD, AccountId, StoredCredentials
from twisted_mail_server.model.errors import DiskFull, TemporaryFailure

ONE, TWO = AccountId("1" * 32), AccountId("2" * 32)


class Source:
    """
    A source with one answer.
    """

    def __init__(self, answer: AccountId | Exception | None) -> None:
        self.answer = answer
        self.asked = 0

    def kinds(self) -> frozenset[Any]:
        """
        Passwords.
        """
        return frozenset((IPasswordSecret,))

    async def keys(self, name: str, hash_name: str) -> None:
        """
        None.
        """

    async def check(self, secret: PasswordSecret | ProvedSecret) -> AccountId | None:
        """
        The answer.
        """
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class CompositeTests(SynchronousTestCase):
    """
    Many sources.
    """

    def setUp(self) -> None:
        """
        Passwords to check nobody against.
        """
        self.house = House()

    def ask(self, *sources: Source) -> Deferred[Any]:
        """
        The answer of all sources together.
        """
        checker = CompositeChecker(sources, self.house.passwords, self.house.directory.stand_in)
        return checker.requestAvatarId(PasswordSecret("alice", b"secret"))

    def test_first_that_knows(self) -> None:
        """
        The first source that knows the account decides, and later ones are not asked.
        """
        last = Source(TWO)
        self.assertEqual(b"1" * 32, self.successResultOf(self.ask(Source(None), Source(ONE), last)))
        self.failureResultOf(self.ask(Source(UnauthorizedLogin()), last), UnauthorizedLogin)
        self.assertEqual(0, last.asked)

    def test_source_is_down(self) -> None:
        """
        A source that is down is a temporary failure, though a later one would say yes.
        """
        self.failureResultOf(self.ask(Source(TemporaryFailure("Down.")), Source(ONE)), TemporaryFailure)

    def test_nobody_knows(self) -> None:
        """
        Whom nobody knows is refused, after as much work as a wrong password costs.
        """
        before = self.house.pool.trips
        self.failureResultOf(self.ask(Source(None), Source(None)), UnauthorizedLogin)
        self.assertEqual(1, self.house.pool.trips - before)

    def test_no_sources(self) -> None:
        """
        Without a source nobody is known.
        """
        self.failureResultOf(self.ask(), UnauthorizedLogin)


class LocalPasswordsTests(SynchronousTestCase):
    """
    The directory's own passwords.
    """

    def setUp(self) -> None:
        """
        One account.
        """
        self.house = House()
        self.local = LocalPasswords(self.house.directory, self.house.passwords)
        self.alice = self.house.add("alice@example.org")

    def kept(self) -> StoredCredentials:
        """
        What is kept of the password.
        """
        found = now(self.house.directory.login("alice"))
        assert found is not None
        return found[1]

    def test_right_and_wrong(self) -> None:
        """
        Right is the account, wrong is refused, unknown is for others to know.
        """
        self.assertEqual(self.alice.id, now(self.local.check(PasswordSecret("ALICE@example.org", b"secret"))))
        failure_of(self.local.check(PasswordSecret("alice", b"Secret")), UnauthorizedLogin)
        self.assertIsNone(now(self.local.check(PasswordSecret("bob", b"secret"))))

    def test_disabled(self) -> None:
        """
        A disabled account is refused, with the right password too.
        """
        now(self.house.directory.set_disabled(self.alice.id, True))
        failure_of(self.local.check(PasswordSecret("alice", b"secret")), UnauthorizedLogin)

    def test_no_password(self) -> None:
        """
        An account without a password here is for others to know.
        """
        now(self.house.directory.set_credentials(self.alice.id, StoredCredentials(NO_PASSWORD)))
        self.assertIsNone(now(self.local.check(PasswordSecret("alice", NO_PASSWORD.encode()))))
        self.assertIsNone(now(self.local.keys("alice", "sha256")))

    def test_renewed(self) -> None:
        """
        A password kept in an old form is kept in today's after a login, and still is the same.
        """
        old = StoredCredentials(PasswordHasher(2, 16, 1).hash(b"secret"))
        now(self.house.directory.set_credentials(self.alice.id, old))
        for _ in range(2):
            self.assertEqual(self.alice.id, now(self.local.check(PasswordSecret("alice", b"secret"))))
            self.assertFalse(self.house.passwords.needs_renewal(self.kept()))

    def test_not_renewed(self) -> None:
        """
        A renewal that fails is no failure of the login, and a wrong password renews nothing.
        """
        old = StoredCredentials(PasswordHasher(2, 16, 1).hash(b"secret"))
        now(self.house.directory.set_credentials(self.alice.id, old))
        failure_of(self.local.check(PasswordSecret("alice", b"guess")), UnauthorizedLogin)

        async def full(*_: object) -> None:
            raise DiskFull("No room.")

        self.patch(type(self.house.directory), "renew_credentials", full)
        self.assertEqual(self.alice.id, now(self.local.check(PasswordSecret("alice", b"secret"))))
        self.assertEqual(old, self.kept())


class ChangesDuringCheckTests(SynchronousTestCase):
    """
    What happens to the account while its password is being checked.
    """

    def setUp(self) -> None:
        """
        A login that is under way.
        """
        self.pool = HeldPool()
        self.house = House(pool=self.pool)
        self.alice = self.house.add("alice@example.org")
        self.local = LocalPasswords(self.house.directory, self.house.passwords)
        self.login = Deferred.fromCoroutine(self.local.check(PasswordSecret("alice", b"secret")))

    def test_changed(self) -> None:
        """
        The old password opens nothing, not even late.
        """
        stored = Deferred.fromCoroutine(self.house.passwords.store(b"new"))
        self.pool.held[0], self.pool.held[1] = self.pool.held[1], self.pool.held[0]
        checking = self.pool.held.pop()
        self.pool.run()
        now(self.house.directory.set_credentials(self.alice.id, self.successResultOf(stored)))
        self.pool.held.append(checking)
        self.assertEqual(1, self.pool.run())
        self.assertNoResult(self.login)
        self.assertEqual(1, self.pool.run())
        self.failureResultOf(self.login, UnauthorizedLogin)

    def test_renewed(self) -> None:
        """
        The same password in another form, put there by another login, is checked anew and right.
        """
        found = now(self.house.directory.login("alice"))
        assert found is not None
        better = self.house.passwords._hash(b"secret", (b"a" * 16, b"b" * 16, b"c" * 16))
        now(self.house.directory.renew_credentials(self.alice.id, found[1], better))
        self.pool.run()
        self.pool.run()
        self.assertEqual(self.alice.id, self.successResultOf(self.login))

    def test_removed(self) -> None:
        """
        An account that is gone meanwhile is not let in.
        """
        now(self.house.directory.remove_account(self.alice.id))
        self.pool.run()
        self.failureResultOf(self.login, UnauthorizedLogin)

    def test_changes_again_and_again(self) -> None:
        """
        A password that never holds still is refused in the end.
        """
        for number in range(5):
            if self.login.called:
                break
            found = now(self.house.directory.login("alice"))
            assert found is not None
            chance = bytes([number]) * 16
            better = self.house.passwords._hash(b"secret", (chance, chance, chance))
            now(self.house.directory.renew_credentials(self.alice.id, found[1], better))
            self.pool.run()
        self.failureResultOf(self.login, UnauthorizedLogin)

    def tearDown(self) -> None:
        """
        Nothing is left to do.
        """
        self.assertEqual([], self.pool.held)
