"""
L{twisted_mail_server.auth.authenticator}
"""

from __future__ import annotations

import contextlib
from typing import Any

from twisted.cred.portal import Portal
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.support.accounts import House, address, credentials
from tests.support.disks import seeded
from tests.support.drive import failure_of, now
from twisted_mail_server.auth.authenticator import Authenticator, shown
from twisted_mail_server.auth.checkers.composite import CompositeChecker
from twisted_mail_server.auth.checkers.local import LocalPasswords
from twisted_mail_server.auth.credentials import IPasswordSecret, PasswordSecret
from twisted_mail_server.auth.realm import REVOKED, MailRealm
from twisted_mail_server.interfaces import IAuthenticator, ILogin, IMailUser, ISubmitter
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import PlainSecret, ScramProof
from twisted_mail_server.model.errors import AuthenticationFailed, LoginUnavailable, TemporaryFailure, Throttled
from twisted_mail_server.protocols.sasl.scram import scram_keys

PEER = "192.0.2.1"
SCRAM = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1")


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
        Proofs and passwords are offered in private only, the strongest first.
        """
        offered = self.house.authenticator.mechanisms(is_private=True)
        self.assertEqual((*SCRAM, "PLAIN", "LOGIN"), offered)
        self.assertEqual((), self.house.authenticator.mechanisms(is_private=False))

    def test_mechanisms_are_derived(self) -> None:
        """
        What no source can check is not offered, nor what one of them cannot, nor SCRAM while somebody would be kept out.
        """
        house = self.house

        class Foreign:
            """
            Checks passwords only.
            """

            def kinds(self) -> frozenset[Any]:
                """
                One.
                """
                return frozenset((IPasswordSecret,))

        checker = CompositeChecker((), house.passwords, house.directory.stand_in)
        portal = Portal(MailRealm(house.directory, house.store), [checker])
        self.assertEqual((), Authenticator(portal, checker, house.clock, seeded()).mechanisms(is_private=True))
        local = LocalPasswords(house.directory, house.passwords)
        checker = CompositeChecker((local, Foreign()), house.passwords, bytes)  # type: ignore[arg-type]
        authenticator = Authenticator(portal, checker, house.clock, seeded())
        self.assertEqual(("PLAIN", "LOGIN"), authenticator.mechanisms(is_private=True))
        imported = now(house.directory.add_account(address("bob@example.org"), credentials()))
        self.assertEqual(("PLAIN", "LOGIN"), house.authenticator.mechanisms(is_private=True))
        now(house.directory.set_disabled(imported.id, True))
        self.assertEqual((*SCRAM, "PLAIN", "LOGIN"), house.authenticator.mechanisms(is_private=True))

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
            failure_of(self.log_in(), LoginUnavailable)

    def test_too_many_waiting(self) -> None:
        """
        Where too many logins wait for a thread the next is put off, and not called wrong.
        """

        async def crowded(*_: object) -> None:
            raise Throttled("Too many at once.")

        self.patch(type(self.house.passwords), "verify", crowded)
        for _ in range(2 * limits.FAILURES_PER_ACCOUNT):
            failure_of(self.log_in(), Throttled)

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


class ProofTests(SynchronousTestCase):
    """
    Logging in by SCRAM.
    """

    def setUp(self) -> None:
        """
        A house with one account.
        """
        self.house = House()
        self.alice = self.house.add("alice@example.org")
        self.reasons: list[str] = []

    def prove(
        self,
        name: str = "alice",
        password: bytes = b"secret",
        *,
        authzid: str = "",
        hash_name: str = "sha256",
        meanwhile: Any = None,
    ) -> Any:
        """
        A login under way.
        """
        start = now(self.house.authenticator.keys(name, hash_name, peer=PEER))
        if meanwhile is not None:
            now(meanwhile)
        keys = start.keys
        is_right = keys == scram_keys(hash_name, password, keys.salt, keys.iterations)
        proof = ScramProof(name, hash_name, keys, is_right, authzid)
        return self.house.authenticator.login(proof, IMailUser, peer=PEER, revoked=self.reasons.append)

    def test_right(self) -> None:
        """
        Whoever knows the password is let in, whichever name of theirs they use, and ends with the password's change.
        """
        before = self.house.pool.trips
        for hash_name in ("sha256", "sha1"):
            for name in ("alice", "ALICE@example.org"):
                self.assertEqual(self.alice, now(self.prove(name, hash_name=hash_name)).account)
        self.assertEqual(before, self.house.pool.trips)
        now(self.house.directory.set_credentials(self.alice.id, credentials("new")))
        self.assertEqual([REVOKED] * 4, self.reasons)

    def test_wrong(self) -> None:
        """
        A wrong proof, a name that is nobody's and one's own password on somebody else's behalf get one answer.
        """
        answers = {
            failure_of(login, AuthenticationFailed).args
            for login in (
                self.prove(password=b"guess"),
                self.prove("nobody"),
                self.prove("no name @ all"),
                self.prove(authzid="bob@example.org"),
            )
        }
        self.assertEqual(1, len(answers))

    def test_made_up_keys(self) -> None:
        """
        A name that is nobody's has keys like everybody's: the same at each try and in every spelling, others for other names.
        """
        for hash_name, size in (("sha256", 32), ("sha1", 20)):
            theirs = now(self.house.authenticator.keys("alice", hash_name, peer=PEER)).keys
            seen = {
                now(self.house.authenticator.keys(name, hash_name, peer=PEER)).keys
                for name in ("nobody", "NOBODY", "nobody@example.org")
            }
            (made_up,) = seen
            self.assertEqual((len(theirs.salt), theirs.iterations), (len(made_up.salt), made_up.iterations))
            self.assertEqual({size}, {len(key) for key in (made_up.stored_key, made_up.server_key, theirs.stored_key)})
            other = now(self.house.authenticator.keys("somebody", hash_name, peer=PEER)).keys
            self.assertEqual(4, len({theirs.salt, made_up.salt, other.salt, made_up.stored_key[:16]}))

    def test_account_without_keys(self) -> None:
        """
        An account whose password was imported looks like nobody to SCRAM.
        """
        now(self.house.directory.add_account(address("bob@example.org"), credentials()))
        failure_of(self.prove("bob", b"one"), AuthenticationFailed)

    def test_nonces(self) -> None:
        """
        No nonce comes twice, and none has a comma.
        """
        nonces = {now(self.house.authenticator.keys("alice", "sha256", peer=PEER)).nonce for _ in range(50)}
        self.assertEqual(50, len(nonces))
        self.assertFalse([nonce for nonce in nonces if b"," in nonce or len(nonce) < 20])

    def test_changed_meanwhile(self) -> None:
        """
        A proof of the old password opens nothing once there is a new one, nor does any once the account is shut or gone.
        """
        directory = self.house.directory
        new = now(self.house.passwords.store(b"new"))
        failure_of(self.prove(meanwhile=directory.set_credentials(self.alice.id, new)), AuthenticationFailed)
        failure_of(
            self.prove(password=b"new", meanwhile=directory.set_disabled(self.alice.id, True)), AuthenticationFailed
        )
        now(directory.set_disabled(self.alice.id, False))
        self.assertEqual(self.alice.id, now(self.prove(password=b"new")).account.id)
        failure_of(self.prove(password=b"new", meanwhile=directory.remove_account(self.alice.id)), AuthenticationFailed)

    def test_throttled(self) -> None:
        """
        Wrong proofs count as wrong passwords do, and who must wait gets no keys either.
        """
        for _ in range(limits.FAILURES_PER_ACCOUNT):
            failure_of(self.prove(password=b"guess"), AuthenticationFailed)
        failure_of(self.house.authenticator.keys("alice", "sha256", peer=PEER), Throttled)
        self.house.clock.advance(1)
        self.assertEqual(self.alice, now(self.prove()).account)

    def test_source_is_down(self) -> None:
        """
        A directory that cannot be read is a temporary failure.
        """

        async def down(*_: object) -> None:
            raise TemporaryFailure("Down.")

        self.patch(type(self.house.directory), "login", down)
        failure_of(self.house.authenticator.keys("alice", "sha256", peer=PEER), TemporaryFailure)


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
