"""
Passwords as they are kept: argon2id, and the keys of SCRAM beside it.

The work is done in threads of its own, with a bound on what waits for them: each hash being computed needs 19 MiB and
about 20 ms.  A login that was right a moment ago is known again for ten minutes without that work, for mail clients log
in again and again; the memory of it holds no password and no hash, only a keyed digest of both, so that a changed
password is never taken for the old one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail_server.auth.imported import accepted, is_right
from twisted_mail_server.disk.threads import Pool, Threads
from twisted_mail_server.interfaces import IPasswords
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import ScramKeys, StoredCredentials
from twisted_mail_server.model.errors import Refused, Throttled
from twisted_mail_server.protocols.sasl.saslprep import prepared
from twisted_mail_server.protocols.sasl.scram import scram_keys

_T = TypeVar("_T")

#: RFC 7677 section 4 asks for about this many; the client pays for them, not we.
SCRAM_ITERATIONS = 15_000
_SALT = 16

#: What unknown names are checked against: nobody's password, with the cost of everybody's.
_NOBODY = b"nobody's password"


def argon2id() -> PasswordHasher:
    """
    Argon2id with the parameters that OWASP recommends: two passes over 19 MiB, one lane.
    """
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def stand_in_keys(seed: bytes, hash_name: str) -> ScramKeys:
    """
    Keys that look like somebody's, and that no password fits; C{seed} is 32 octets that nobody can guess.
    """
    size = hashlib.new(hash_name).digest_size
    salt, stored, server = (
        hmac.digest(seed, f"{hash_name} {part}".encode("ascii"), "sha256") for part in ("salt", "stored", "server")
    )
    return ScramKeys(salt[:_SALT], SCRAM_ITERATIONS, stored[:size], server[:size])


@implementer(IPasswords)
@define(eq=False)
class Argon2Passwords:
    """
    Makes and checks what is kept of passwords.
    """

    #: A small pool for this alone; its threads let go of the interpreter while they compute.
    _pool: Pool
    #: As C{reactor.callFromThread}.
    _from_thread: Callable[..., object]
    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _hasher: PasswordHasher = field(factory=argon2id)
    _threads: Threads = field(init=False)
    _waiting: int = field(init=False, default=0)
    _nobody: StoredCredentials | None = field(init=False, default=None)
    _key: bytes = field(init=False, repr=False)
    #: Digests of right logins and when they are forgotten, oldest first.
    _right: dict[bytes, float] = field(init=False, factory=dict, repr=False)
    #: Digests that are being checked now, and who waits for the same answer.
    _checks: dict[bytes, list[Deferred[bool]]] = field(init=False, factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        self._threads = Threads(self._pool, self._from_thread)
        self._key = self._random(32)

    async def store(self, password: bytes) -> StoredCredentials:
        """
        Hash a new password.

        @raise Throttled: too many are waiting.
        @raise Refused: it is empty, or too long.
        """
        if not password:
            raise Refused("A password is not empty.")
        if len(password) > limits.PASSWORD:
            raise Refused(f"A password has at most {limits.PASSWORD} octets.")
        salts = self._random(_SALT), self._random(_SALT), self._random(_SALT)
        return await self._in_thread(self._hash, prepared(password), salts)

    async def adopt(self, password_hash: str) -> StoredCredentials:
        """
        Take over a hash that was made elsewhere.

        @raise Throttled: too many are waiting.
        @raise Refused: it is of no form that can be checked here, or would take too long.
        """
        return StoredCredentials(await self._in_thread(accepted, password_hash))

    async def verify(self, password: bytes, credentials: StoredCredentials | None) -> bool:
        """
        Whether C{password} is the one; without credentials it never is, and that takes as long to find out.

        @raise Throttled: too many are waiting.
        @raise TemporaryFailure: what is kept of the password cannot be read.
        """
        if not password or len(password) > limits.PASSWORD:
            credentials, password = None, _NOBODY
        typed, password = password, prepared(password)
        if credentials is None:
            await self._in_thread(self._check_nobody, password)
            if typed != password:
                await self._in_thread(self._check_nobody, typed)
            return False
        digest = self._digest(password, credentials)
        if self._right.get(digest, 0.0) > self._clock.seconds():
            return True
        if await self._check_once(digest, password, credentials.password_hash):
            return True
        if typed == password:
            return False
        if credentials.scram_sha_256 is not None:
            # A hash of ours is of the prepared password.  The work is done all the same: else the time would tell whose is not.
            await self._in_thread(self._check_nobody, typed)
            return False
        # Whoever made this hash may not have prepared the password.
        digest = self._digest(typed, credentials)
        return await self._check_once(digest, typed, credentials.password_hash)

    def needs_renewal(self, credentials: StoredCredentials) -> bool:
        """
        Whether the same password would be kept better today.
        """
        for keys in (credentials.scram_sha_256, credentials.scram_sha_1):
            # Those of another count would tell that their name is somebody's.
            if keys is None or keys.iterations != SCRAM_ITERATIONS:
                return True
        try:
            return self._hasher.check_needs_rehash(credentials.password_hash)
        except InvalidHashError:
            return True

    # --- Inside ---------------------------------------------------------------------------------------------------------

    async def _check_once(self, digest: bytes, password: bytes, password_hash: str) -> bool:
        """
        Check in a thread; who asks the same meanwhile gets the same answer, and one who goes away spoils it for nobody.
        """
        answer: Deferred[bool] = Deferred()
        waiting = self._checks.get(digest)
        if waiting is not None:
            waiting.append(answer)
        else:
            self._checks[digest] = [answer]
            Deferred.fromCoroutine(self._answer(digest, password, password_hash))
        return await answer

    async def _answer(self, digest: bytes, password: bytes, password_hash: str) -> None:
        outcome: bool | Failure
        try:
            outcome = await self._in_thread(is_right, password, password_hash)
        except Exception:  # noqa: BLE001 (it reaches everyone who waits)
            outcome = Failure()
        if outcome is True:
            self._remember(digest)
        for one in self._checks.pop(digest):
            if not one.called:
                one.callback(outcome)

    async def _in_thread(self, function: Callable[..., _T], *args: Any) -> _T:
        if self._waiting >= limits.HASHES_WAITING:
            raise Throttled("Too many logins at once. Try again in a moment.")
        self._waiting += 1
        return await self._threads.run(self._counted, function, *args)

    def _counted(self, function: Callable[..., _T], *args: Any) -> _T:
        """
        In a thread.  What nobody waits for any more still counts until it is done.
        """
        try:
            return function(*args)
        finally:
            self._from_thread(self._done)

    def _done(self) -> None:
        self._waiting -= 1

    def _hash(self, password: bytes, salts: tuple[bytes, bytes, bytes]) -> StoredCredentials:
        for_argon2, for_sha_256, for_sha_1 = salts
        return StoredCredentials(
            self._hasher.hash(password, salt=for_argon2),
            scram_keys("sha256", password, for_sha_256, SCRAM_ITERATIONS),
            scram_keys("sha1", password, for_sha_1, SCRAM_ITERATIONS),
        )

    def _check_nobody(self, password: bytes) -> None:
        if self._nobody is None:
            self._nobody = StoredCredentials(self._hasher.hash(_NOBODY, salt=bytes(_SALT)))
            return
        is_right(password, self._nobody.password_hash)

    def _digest(self, password: bytes, credentials: StoredCredentials) -> bytes:
        text = credentials.password_hash.encode() + b"\0" + password
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()

    def _remember(self, digest: bytes) -> None:
        now = self._clock.seconds()
        self._right.pop(digest, None)
        self._right[digest] = now + limits.LOGIN_REMEMBERED
        for oldest, end in list(self._right.items())[:2]:
            if end <= now or len(self._right) > limits.LOGINS_REMEMBERED:
                del self._right[oldest]
