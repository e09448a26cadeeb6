"""
L{twisted_mail_server.auth.authenticator}
"""

from __future__ import annotations

import contextlib
from typing import Any

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.portal import Portal
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.support.accounts import House, credentials
from tests.support.drive import failure_of, now
from twisted_mail_server.auth.authenticator import Authenticator, shown
from twisted_mail_server.auth.credentials import PasswordSecret
from twisted_mail_server.auth.realm import REVOKED, MailRealm
from twisted_mail_server.interfaces import IAuthenticator, ILogin, IMailUser, ISubmitter
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret
from twisted_mail_server.model.errors import AuthenticationFailed, TemporaryFailure, Throttled

PEER = "192.0.2.1"


class AuthenticatorTests(SynchronousTestCase):
    """
    Logging in.
    """

    def setUp(self) -> None:
        """
        A house with one account.
        """
        self.house = House()
        self.alice = self.house.add("alice@example.org")
        self.reasons: list[str] = []

    def log_in(
        self,
        name: str = "alice",
        password: bytes = b"secret",
        *,
        authzid: str = "",
        kind: Any = IMailUser,
        peer: str = PEER,
    ) -> Any:
        """
        A login under way.
        """
        secret = PlainSecret(name, password, authzid)
        return self.house.authenticator.login(secret, kind, peer=peer, revoked=self.reasons.append)

    def outcomes(self, *coroutines: Any) -> list[str]:
        """
        What the log says of some logins.
        """
        with capturedLogs() as events:
            for coroutine in coroutines:
                with contextlib.suppress(AuthenticationFailed, Throttled, TemporaryFailure):
                    now(coroutine)
        return [event["log_format"].format(**event) for event in events if "outcome" in event]

    def test_interface(self) -> None:
        """
        It has every method of the interface.
        """
        self.assertTrue(verifyObject(IAuthenticator, self.house.authenticator))

    def test_mechanisms(self) -> None:
        """
        Passwords in the clear are offered in private only.
        """
        self.assertEqual(("PLAIN", "LOGIN"), self.house.authenticator.mechanisms(is_private=True))
        self.assertEqual((), self.house.authenticator.mechanisms(is_private=False))

    def test_mechanisms_are_derived(self) -> None:
        """
        A portal that can check no password offers none.
        """
        portal = Portal(MailRealm(self.house.directory, self.house.store), [AllowAnonymousAccess()])
        self.assertEqual((), Authenticator(portal, Clock()).mechanisms(is_private=True))

    def test_login(self) -> None:
        """
        The right password gives the avatar that was asked for.
        """
        reader = now(self.log_in())
        self.assertTrue(verifyObject(ILogin, reader))
        self.assertEqual(self.alice, reader.account)
        self.assertTrue(IMailUser.providedBy(reader.avatar))
        self.assertTrue(ISubmitter.providedBy(now(self.log_in("ALICE@example.org", kind=ISubmitter)).avatar))

    def test_same_answer(self) -> None:
        """
        Unknown name and wrong password get the same answer after the same work.
        """
        answers, trips = [], []
        for name, password in (
            ("alice", b"guess"),
            ("nobody", b"guess"),
            ("x" * 5000, b"guess"),
            ("alice", b""),
            ("", b""),
        ):
            before = self.house.pool.trips
            answers.append(failure_of(self.log_in(name, password), AuthenticationFailed).args)
            trips.append(self.house.pool.trips - before)
        self.assertEqual(1, len(set(answers)))
        self.assertEqual([1] * 5, trips)

    def test_authzid(self) -> None:
        """
        One acts for oneself, and for nobody else (RFC 4616 section 2).
        """
        for authzid in ("", "alice", "ALICE", "Alice@example.org"):
            self.assertEqual(self.alice, now(self.log_in(authzid=authzid)).account)
        self.house.add("bob@example.org")
        for authzid in ("bob", "bob@example.org", "alice@example.net", "root"):
            failure_of(self.log_in(authzid=authzid), AuthenticationFailed)
        now(self.house.directory.remove_account(self.alice.id))
        self.assertEqual(4, len(self.reasons))

    def test_revoked(self) -> None:
        """
        A live login hears that it must end, once; one that has logged out hears nothing.
        """
        now(self.log_in())
        ended = now(self.log_in())
        ended.logout()
        ended.logout()
        now(self.house.directory.set_credentials(self.alice.id, credentials("new")))
        self.assertEqual([REVOKED], self.reasons)

    def test_throttled(self) -> None:
        """
        After many failures a try is not looked at, not even with the right password; later it is.
        """
        for _ in range(limits.FAILURES_PER_ACCOUNT):
            failure_of(self.log_in(password=b"guess"), AuthenticationFailed)
        before = self.house.pool.trips
        failure_of(self.log_in(), Throttled)
        self.assertEqual(before, self.house.pool.trips)
        self.house.clock.advance(1)
        self.assertEqual(self.alice, now(self.log_in()).account)
        self.assertEqual(self.alice, now(self.log_in(peer="192.0.2.9")).account)

    def test_unknown_names_are_throttled(self) -> None:
        """
        Guessing at a name that nobody has is slowed as much, so that it tells nothing.
        """
        for _ in range(limits.FAILURES_PER_ACCOUNT):
            failure_of(self.log_in("nobody"), AuthenticationFailed)
        failure_of(self.log_in("NOBODY"), Throttled)

    def test_source_is_down(self) -> None:
        """
        A directory that cannot be read is a temporary failure, and is not held against anybody.
        """

        async def down(*_: object) -> None:
            raise TemporaryFailure("Down.")

        self.patch(type(self.house.directory), "login", down)
        for _ in range(2 * limits.FAILURES_PER_ADDRESS):
            failure_of(self.log_in(), TemporaryFailure)

    def test_log(self) -> None:
        """
        Each decision is one line with a fixed shape.
        """
        lines = self.outcomes(
            self.log_in(),
            self.log_in(password=b"guess"),
            self.log_in("nobody@example.org", peer=""),
            *(self.log_in("eve") for _ in range(limits.FAILURES_PER_ACCOUNT + 1)),
        )
        self.assertEqual(
            [
                "login alice 192.0.2.1 accepted",
                "login alice 192.0.2.1 refused",
                "login nobody@example.org - refused",
                *["login eve 192.0.2.1 refused"] * limits.FAILURES_PER_ACCOUNT,
                "login eve 192.0.2.1 throttled",
            ],
            lines,
        )

    def test_log_of_trouble(self) -> None:
        """
        A failure of ours is told as such.
        """

        async def down(*_: object) -> None:
            raise TemporaryFailure("Down.")

        self.patch(type(self.house.directory), "login", down)
        self.assertEqual(["login alice 192.0.2.1 failed"], self.outcomes(self.log_in()))

    def test_no_secret_logged(self) -> None:
        """
        No event carries a password.
        """
        with capturedLogs() as events:
            failure_of(self.log_in(password=b"my guess"), AuthenticationFailed)
            now(self.log_in())
        text = repr(events)
        self.assertNotIn("my guess", text)
        self.assertNotIn("'secret'", text)
        self.assertNotIn("guess", repr(PasswordSecret("alice", b"my guess")) + repr(PlainSecret("alice", b"my guess")))

    def test_shown(self) -> None:
        """
        Whatever is sent as a name is one word in the log.
        """
        self.assertEqual("alice", shown("alice"))
        self.assertEqual("a?b?c?", shown("a b\nc\x1b"))
        self.assertEqual("-", shown(""))
        self.assertEqual(limits.LOCAL_PART + 1 + limits.DOMAIN, len(shown("x" * 9999)))


class PasswordSecretTests(SynchronousTestCase):
    """
    Our credentials in Twisted's clothes.
    """

    def test_username_password(self) -> None:
        """
        Checkers written for C{IUsernamePassword} can use them.
        """
        secret = PasswordSecret.of(PlainSecret("ålice", b"secret"))
        self.assertEqual("ålice".encode(), secret.username)
        self.assertTrue(secret.checkPassword(b"secret"))
        self.assertFalse(secret.checkPassword(b"guess"))
