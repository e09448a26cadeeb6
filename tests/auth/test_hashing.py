"""
L{twisted_mail_server.auth.hashing}
"""

from __future__ import annotations

import hashlib
import hmac

from argon2 import PasswordHasher
from scramp import ScramMechanism  # type: ignore[import-untyped]
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.support.accounts import cheap_hasher, cheap_passwords
from tests.support.disks import HeldPool, InlinePool, call_now, seeded
from tests.support.drive import failure_of, now
from twisted_mail_server.auth import hashing
from twisted_mail_server.auth.hashing import SCRAM_ITERATIONS, Argon2Passwords, argon2id
from twisted_mail_server.auth.imported import is_right
from twisted_mail_server.interfaces import IPasswords
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import StoredCredentials
from twisted_mail_server.model.errors import Refused, TemporaryFailure, Throttled
from twisted_mail_server.protocols.sasl.saslprep import prepared
from twisted_mail_server.protocols.sasl.scram import scram_keys


class PreparedTests(SynchronousTestCase):
    """
    One password, however it was typed.
    """

    def test_ascii(self) -> None:
        """
        Printable ASCII stays as it is.
        """
        self.assertEqual(b"pass word ~!", prepared(b"pass word ~!"))

    def test_composed(self) -> None:
        """
        A letter with its accent is one password, composed or not (RFC 4013 section 2.2).
        """
        self.assertEqual(prepared("caf\u00e9".encode()), prepared("cafe\u0301".encode()))

    def test_what_cannot_be_prepared(self) -> None:
        """
        What is no UTF-8, is forbidden, or would vanish is taken as it is.
        """
        for password in (b"\xff\xfe", b"a\x07b", "\u00ad".encode()):
            self.assertEqual(password, prepared(password))


class ScramKeyTests(SynchronousTestCase):
    """
    The keys of SCRAM.
    """

    def test_known_exchange(self) -> None:
        """
        The keys check the example exchange of RFC 5802 section 5.
        """
        keys = scram_keys("sha1", b"pencil", b"\x41\x25\xc2\x47\xe4\x3a\xb1\xe9\x3c\x6d\xff\x76", 4096)
        nonce = b"fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
        message = b"n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=%b,s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=%b" % (nonce, nonce)
        signature = hmac.digest(keys.server_key, message, "sha1")
        self.assertEqual(bytes.fromhex("ae617da6a57c4bbb2e0286568dae1d251905b0a4"), signature)

    def test_scramp(self) -> None:
        """
        They are those that the library of clients and servers makes.
        """
        salt = bytes(range(16))
        for name, mechanism in (("sha256", "SCRAM-SHA-256"), ("sha1", "SCRAM-SHA-1")):
            _, stored, server, _ = ScramMechanism(mechanism).make_auth_info("secret", SCRAM_ITERATIONS, salt)
            keys = scram_keys(name, b"secret", salt, SCRAM_ITERATIONS)
            self.assertEqual((stored, server), (keys.stored_key, keys.server_key))


class Argon2PasswordsTests(SynchronousTestCase):
    """
    Making and checking what is kept.
    """

    def setUp(self) -> None:
        """
        Passwords whose hashes cost nothing.
        """
        self.clock = Clock()
        self.pool = InlinePool()
        self.passwords = cheap_passwords(self.clock, self.pool)
        self.kept = now(self.passwords.store(b"secret"))

    def test_interface(self) -> None:
        """
        It has every method of the interface.
        """
        self.assertTrue(verifyObject(IPasswords, self.passwords))

    def test_strength(self) -> None:
        """
        What is kept in earnest is argon2id with two passes over 19 MiB.
        """
        hashed = argon2id().hash(b"secret")
        self.assertTrue(hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), hashed)

    def test_store(self) -> None:
        """
        Every password is kept as argon2id and with the keys of both SCRAMs, each with a salt of its own.
        """
        self.assertTrue(self.kept.password_hash.startswith("$argon2id$"))
        assert self.kept.scram_sha_256 is not None and self.kept.scram_sha_1 is not None
        self.assertEqual(
            scram_keys("sha256", b"secret", self.kept.scram_sha_256.salt, SCRAM_ITERATIONS).stored_key,
            self.kept.scram_sha_256.stored_key,
        )
        self.assertEqual(20, len(self.kept.scram_sha_1.stored_key))
        again = now(self.passwords.store(b"secret"))
        self.assertNotEqual(self.kept.password_hash, again.password_hash)
        self.assertNotEqual(self.kept.scram_sha_256, again.scram_sha_256)
        self.assertNotEqual(
            again.scram_sha_256 and again.scram_sha_256.salt, again.scram_sha_1 and again.scram_sha_1.salt
        )

    def test_store_refuses(self) -> None:
        """
        An empty password, and one beyond the limit, are refused.
        """
        failure_of(self.passwords.store(b""), Refused)
        failure_of(self.passwords.store(b"x" * (limits.PASSWORD + 1)), Refused)
        self.assertTrue(now(self.passwords.store(b"x" * limits.PASSWORD)))

    def test_verify(self) -> None:
        """
        The right password is right, any other is not.
        """
        self.assertTrue(now(self.passwords.verify(b"secret", self.kept)))
        for wrong in (b"", b"Secret", b"secret ", b"secret\0", b"\xff", b"x" * 5000):
            self.assertFalse(now(self.passwords.verify(wrong, self.kept)), wrong)

    def test_nobody(self) -> None:
        """
        Without credentials no password is right, and one trip to a thread says so, as with a wrong one.
        """
        for password in (b"secret", b"nobody's password", b""):
            before = self.pool.trips
            self.assertFalse(now(self.passwords.verify(password, None)))
            self.assertEqual(1, self.pool.trips - before)

    def test_nobody_costs_as_much(self) -> None:
        """
        What an unknown name is checked against is hashed with the same parameters as a password.
        """
        checked: list[str] = []

        def watched(password: bytes, password_hash: str) -> bool:
            checked.append(password_hash)
            return is_right(password, password_hash)

        self.patch(hashing, "is_right", watched)
        passwords = Argon2Passwords(InlinePool(), call_now, self.clock, seeded(), PasswordHasher(1, 8, 1))
        kept = now(passwords.store(b"secret"))
        for _ in range(2):
            now(passwords.verify(b"guess", None))
        now(passwords.verify(b"guess", kept))
        unknown, wrong = (text.rpartition("$")[0].rpartition("$")[0] for text in checked)
        self.assertEqual(unknown, wrong)

    def test_unreadable(self) -> None:
        """
        A hash of an unknown or broken form is our trouble, not a wrong password.
        """
        for text in ("", "{SSHA}abc", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$!!!"):
            failure_of(self.passwords.verify(b"secret", StoredCredentials(text)), TemporaryFailure)

    def test_remembered(self) -> None:
        """
        A right password is known again without a hash for ten minutes, and no longer.
        """
        now(self.passwords.verify(b"secret", self.kept))
        before = self.pool.trips
        self.clock.advance(limits.LOGIN_REMEMBERED - 1)
        self.assertTrue(now(self.passwords.verify(b"secret", self.kept)))
        self.assertEqual(before, self.pool.trips)
        self.clock.advance(1)
        self.assertTrue(now(self.passwords.verify(b"secret", self.kept)))
        self.assertEqual(before + 1, self.pool.trips)

    def test_wrong_is_not_remembered(self) -> None:
        """
        A wrong password costs its hash each time.
        """
        before = self.pool.trips
        for _ in range(3):
            self.assertFalse(now(self.passwords.verify(b"guess", self.kept)))
        self.assertEqual(before + 3, self.pool.trips)

    def test_changed_password(self) -> None:
        """
        After a change the old password is wrong at once, though it was right a moment ago.
        """
        now(self.passwords.verify(b"secret", self.kept))
        changed = now(self.passwords.store(b"other"))
        self.assertFalse(now(self.passwords.verify(b"secret", changed)))
        self.assertTrue(now(self.passwords.verify(b"other", changed)))

    def test_memory_is_bounded(self) -> None:
        """
        The memory of right logins holds a bounded number, and lets old ones go.
        """
        self.patch(limits, "LOGINS_REMEMBERED", 2)
        kept = [now(self.passwords.store(b"secret")) for _ in range(4)]
        for one in kept:
            self.assertTrue(now(self.passwords.verify(b"secret", one)))
        self.assertEqual(2, len(self.passwords._right))
        self.clock.advance(limits.LOGIN_REMEMBERED)
        now(self.passwords.verify(b"secret", kept[0]))
        self.assertEqual(1, len(self.passwords._right))

    def test_no_secret_shown(self) -> None:
        """
        Neither password nor hash shows in a representation.
        """
        now(self.passwords.verify(b"secret", self.kept))
        shown = repr(self.passwords) + repr(self.kept)
        self.assertNotIn("secret", shown)
        self.assertNotIn("argon2id$", shown)

    def test_needs_renewal(self) -> None:
        """
        Renewed is what has other parameters, no SCRAM keys, or an unknown form; not what was made today.
        """
        self.assertFalse(self.passwords.needs_renewal(self.kept))
        weaker = PasswordHasher(2, 8, 1).hash(b"secret")
        for kept in (
            StoredCredentials(weaker, self.kept.scram_sha_256, self.kept.scram_sha_1),
            StoredCredentials(self.kept.password_hash, self.kept.scram_sha_256),
            StoredCredentials(self.kept.password_hash, None, self.kept.scram_sha_1),
            StoredCredentials("{SSHA}abc", self.kept.scram_sha_256, self.kept.scram_sha_1),
        ):
            self.assertTrue(self.passwords.needs_renewal(kept))

    def test_foreign_parameters(self) -> None:
        """
        Argon2 hashes of other parameters and kinds are checked too.
        """
        from argon2 import Type

        for hasher in (PasswordHasher(2, 16, 2), PasswordHasher(1, 8, 1, type=Type.I)):
            self.assertTrue(now(self.passwords.verify(b"secret", StoredCredentials(hasher.hash(b"secret")))))

    def test_adopted(self) -> None:
        """
        A hash from elsewhere is checked like ours, is to be renewed, and has no keys for SCRAM.
        """
        kept = now(self.passwords.adopt(" {BLF-CRYPT}$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n"))
        self.assertEqual(StoredCredentials("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"), kept)
        self.assertTrue(now(self.passwords.verify(b"U*U", kept)))
        self.assertFalse(now(self.passwords.verify(b"U*V", kept)))
        self.assertTrue(self.passwords.needs_renewal(kept))
        failure_of(self.passwords.adopt("secret"), Refused)

    def test_adopted_without_preparation(self) -> None:
        """
        A hash that was made of the password as it was typed is right too; in our own form a password is prepared.
        """
        typed = "cafe\u0301".encode()
        kept = StoredCredentials(PasswordHasher(1, 8, 1).hash(typed))
        for _ in range(2):
            self.assertTrue(now(self.passwords.verify(typed, kept)))
        self.assertFalse(now(self.passwords.verify("caf\u00e9".encode(), kept)))
        ours = now(self.passwords.store(typed))
        self.assertTrue(now(self.passwords.verify("caf\u00e9".encode(), ours)))
        self.assertFalse(now(self.passwords.verify("cafe\u0302".encode(), ours)))


class WaitingTests(SynchronousTestCase):
    """
    What happens while threads work.
    """

    def setUp(self) -> None:
        """
        Passwords whose threads wait to be told to work.
        """
        self.kept = now(cheap_passwords().store(b"secret"))
        self.pool = HeldPool()
        self.passwords = cheap_passwords(pool=self.pool)

    def begin(self, password: bytes, kept: StoredCredentials | None = None) -> Deferred[bool]:
        """
        A check that is under way.
        """
        return Deferred.fromCoroutine(self.passwords.verify(password, kept or self.kept))

    def test_shared(self) -> None:
        """
        The same login many times at once is one hash.
        """
        answers = [self.begin(b"secret") for _ in range(200)]
        self.assertEqual(1, self.pool.run())
        self.assertEqual([True] * 200, [self.successResultOf(answer) for answer in answers])

    def test_shared_failure(self) -> None:
        """
        All who wait for a check that fails hear of it.
        """
        broken = StoredCredentials("$argon2id$broken")
        answers = [self.begin(b"secret", broken) for _ in range(3)]
        self.pool.run()
        for answer in answers:
            self.failureResultOf(answer, TemporaryFailure)

    def test_one_goes_away(self) -> None:
        """
        A client that is gone spoils the answer of none that asks the same.
        """
        first, second = self.begin(b"secret"), self.begin(b"secret")
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(1, self.pool.run())
        self.assertTrue(self.successResultOf(second))

    def test_bounded(self) -> None:
        """
        More work than the limit is refused for the moment, that of clients which are gone counted in; then there is room again.
        """
        answers = [self.begin(b"guess %d" % number) for number in range(limits.HASHES_WAITING)]
        for answer in answers[:10]:
            answer.cancel()
            self.failureResultOf(answer, CancelledError)
        self.failureResultOf(self.begin(b"secret"), Throttled)
        failure_of(self.passwords.store(b"secret"), Throttled)
        failure_of(self.passwords.verify(b"secret", None), Throttled)
        self.assertEqual(limits.HASHES_WAITING, self.pool.run())
        self.assertEqual(
            [False] * (limits.HASHES_WAITING - 10), [self.successResultOf(answer) for answer in answers[10:]]
        )
        last = self.begin(b"secret")
        self.pool.run()
        self.assertTrue(self.successResultOf(last))

    def test_digest_is_keyed(self) -> None:
        """
        What is remembered is no plain hash: another process remembers something else.
        """
        one = Argon2Passwords(InlinePool(), call_now, Clock(), seeded(1), cheap_hasher())
        two = Argon2Passwords(InlinePool(), call_now, Clock(), seeded(2), cheap_hasher())
        for passwords in (one, two):
            now(passwords.verify(b"secret", self.kept))
        plain = hashlib.blake2b(self.kept.password_hash.encode() + b"\0secret", digest_size=32).digest()
        self.assertNotEqual(list(one._right), list(two._right))
        self.assertNotIn(plain, one._right)
