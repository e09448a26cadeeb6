"""
Accounts and credentials as values.
"""

from __future__ import annotations

import re

from attrs import field, frozen

from .addresses import Address
from .errors import SyntaxProblem

_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}")


@frozen(order=True)
class AccountId:
    """
    Who an account is, for ever: 32 hexadecimal digits, never reused, safe as a file name.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> AccountId:
        """
        @raise SyntaxProblem: not 32 lower-case hexadecimal digits.
        """
        if not _ACCOUNT_ID.fullmatch(text):
            raise SyntaxProblem("An account id is 32 hexadecimal digits.")
        return cls(text)

    @classmethod
    def of(cls, chance: bytes) -> AccountId:
        """
        From 16 random octets.
        """
        return cls(chance.hex())

    def __str__(self) -> str:
        return self.text


@frozen
class ScramKeys:
    """
    What SCRAM needs to check a password without knowing it (RFC 5802 section 3).
    """

    salt: bytes = field(repr=False)
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@frozen
class ScramStart:
    """
    What a SCRAM server begins with (RFC 5802 section 5).
    """

    #: Somebody's, or made up where nobody has that name.
    keys: ScramKeys
    #: Ours; printable ASCII without a comma, never the same twice.
    nonce: bytes


@frozen
class ScramProof:
    """
    What a SCRAM exchange came to.
    """

    #: Who wants to log in.
    authcid: str
    #: As L{hashlib} calls it.
    hash_name: str
    #: The keys it was checked with: the account may have others by now.
    keys: ScramKeys = field(repr=False)
    is_right: bool
    #: Whom to act for; empty for oneself.
    authzid: str = ""


#: Stands where a hash would, for an account whose password only somebody else can check.
NO_PASSWORD = "*"


@frozen
class StoredCredentials:
    """
    A password in the forms we keep.
    """

    #: A PHC string C{$argon2id$...}, or an imported hash that is renewed at login.
    password_hash: str = field(repr=False)
    scram_sha_256: ScramKeys | None = field(default=None, repr=False)
    scram_sha_1: ScramKeys | None = field(default=None, repr=False)


@frozen
class Account:
    """
    Somebody who lives here.
    """

    id: AccountId
    #: The first address, which is the login name too.
    address: Address
    created: int
    #: May neither log in nor get mail (450 4.2.1 at RCPT).
    is_disabled: bool = False
    #: Octets its mail may take; C{None} for as many as it likes.
    quota: int | None = None


@frozen
class Alias:
    """
    An address that stands for others: one, a group, or, with the local part empty, all of a domain that nobody has (a catch-all).
    """

    address: Address
    #: Here or elsewhere, sorted; each may be an alias again.
    targets: tuple[Address, ...]


@frozen
class PlainSecret:
    """
    A name and a password as PLAIN and LOGIN carry them (RFC 4616).
    """

    #: Who to log in as.
    authcid: str
    password: bytes = field(repr=False)
    #: Whom to act for; empty for oneself.
    authzid: str = ""


#: What a login is decided by.
Secret = PlainSecret | ScramProof
