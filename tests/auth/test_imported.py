"""
L{twisted_mail_server.auth.imported}
"""

from __future__ import annotations

import ctypes
from typing import Any
from unittest.mock import patch

from argon2 import PasswordHasher, Type
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail_server.auth import imported
from twisted_mail_server.auth.imported import accepted, is_right, system_crypt
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import Refused, TemporaryFailure

#: Password and hash, made by other programs: the examples of SHA-crypt and bcrypt, C{openssl passwd}, and libxcrypt.
VECTORS = (
    (b"Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    (
        b"Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (b"secret", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
    (b"secret", "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"),
    (b"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    (b"U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    (b"U*U", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zVlWZjTfm06px2SO6mGTsFT.XfVm8d1TUfrBVLQgPt/"),
    (b"U*U", "abCY/CHNnliwA"),
)


class ImportedTests(SynchronousTestCase):
    """
    Hashes that others made.
    """

    def test_crypt(self) -> None:
        """
        What crypt(3) writes fits its password, and no other.
        """
        for password, text in VECTORS:
            self.assertEqual(text, accepted(text), text)
            self.assertTrue(is_right(password, text), text)
            for wrong in (b"", b"u*U", password + b"\0", b"x" * 1000):
                self.assertFalse(is_right(wrong, text), text)

    def test_argon2(self) -> None:
        """
        Every kind of argon2, with other parameters than ours.
        """
        for kind in (Type.I, Type.D, Type.ID):
            text = PasswordHasher(3, 64, 2, type=kind).hash(b"secret")
            self.assertEqual(text, accepted(text))
            self.assertTrue(is_right(b"secret", text))
            self.assertFalse(is_right(b"Secret", text))

    def test_usual(self) -> None:
        """
        The usual kind of argon2 is checked by another library, which says the same.
        """
        for size in (18, 19, 20, 32, 64):
            hasher = PasswordHasher(time_cost=2, memory_cost=256, parallelism=1, hash_len=size)
            made = hasher.hash(b"secret")
            with patch.object(imported, "PasswordHasher", side_effect=ZeroDivisionError):
                self.assertEqual((True, False), (is_right(b"secret", made), is_right(b"Secret", made)))

    def test_no_memory(self) -> None:
        """
        A lack of memory makes no right password wrong.
        """
        made = PasswordHasher(time_cost=1, memory_cost=256, parallelism=1).hash(b"secret")
        with patch("twisted_mail_server.auth.imported.argon2id.kdf", side_effect=RuntimeError("no memory")):
            self.assertRaises(TemporaryFailure, is_right, b"secret", made)

    def test_schemes(self) -> None:
        """
        What Dovecot writes before a hash is taken off, and spaces around it.
        """
        text = VECTORS[2][1]
        for written in (f"{{MD5-CRYPT}}{text}", f"{{crypt}}{text}", f" {text}\n"):
            self.assertEqual(text, accepted(written))
        argon = PasswordHasher(1, 8, 1).hash(b"secret")
        self.assertEqual(argon, accepted("{ARGON2ID}" + argon))

    def test_refused(self) -> None:
        """
        What is no hash, is cut short, is a setting only, or is locked.
        """
        for text in (
            "",
            "secret",
            "*",
            "!",
            "!$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl",
            "$6$saltstring",
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.",
            "$2a$05$CCCC$$$$$CCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "{SSHA}6cmfLfLWxXT6IvjQ0n8iXlTPUXhlOXFj",
            "{PLAIN}secret",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdA",
            "$argon2id$v=19$m=8,t=1,p=1$$",
            "$argon2x$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aaaa",
            "caf\u00e9$6$",
        ):
            with self.assertRaises(Refused, msg=text):
                accepted(text)

    def test_too_much_work(self) -> None:
        """
        What would keep a thread busy for long, or take all memory, is refused before it is tried.
        """

        def never(password: bytes, setting: bytes) -> bytes:
            raise AssertionError("It was tried.")

        salt = "c29tZXNhbHRzb21lc2FsdA$" + "a" * 43
        for text in (
            f"$6$rounds={limits.CRYPT_ROUNDS + 1}$saltstring$" + "x" * 86,
            f"$2b${limits.BCRYPT_COST + 1}$" + "C" * 53,
            f"$argon2id$v=19$m={limits.ARGON2_MEMORY + 1},t=1,p=1${salt}",
            f"$argon2id$v=19$m=8,t={limits.ARGON2_PASSES + 1},p=1${salt}",
        ):
            with self.assertRaises(Refused) as caught:
                accepted(text, never)
            self.assertIn("too much", caught.exception.public)

    def test_not_here(self) -> None:
        """
        A system without such a crypt(3) refuses the hash; one that was taken over elsewhere is our trouble.
        """

        def ignorant(password: bytes, setting: bytes) -> None:
            return None

        for _, text in VECTORS:
            with self.assertRaises(Refused):
                accepted(text, ignorant)
            with self.assertRaises(TemporaryFailure):
                is_right(b"secret", text, ignorant)
        for text in ("", "{SSHA}abc", "$argon2id$broken"):
            with self.assertRaises(TemporaryFailure):
                is_right(b"secret", text)

    def test_no_library(self) -> None:
        """
        Where there is no library, nothing is known; the names are tried in turn.
        """
        tried: list[Any] = []

        def missing(name: str | None) -> object:
            tried.append(name)
            if name is None:
                return object()
            raise OSError

        self.patch(ctypes, "CDLL", missing)
        crypt = system_crypt.__wrapped__()
        self.assertIsNone(crypt(b"secret", b"ab"))
        self.assertEqual(3, len(tried))
