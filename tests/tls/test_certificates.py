"""
L{twisted_mail_server.tls.certificates}
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.support.certificates import NOW, chained_pair, pair_for, pems
from tests.support.disks import disk_for, folder_for
from twisted_mail_server.model.errors import BadSetting, TemporaryFailure
from twisted_mail_server.tls.certificates import (
    CERTIFICATE,
    KEY,
    Pair,
    key_pem,
    problems_of,
    read_pair,
    self_signed_pair,
)


class ReadPairTests(SynchronousTestCase):
    """
    The operator's own files.
    """

    def setUp(self) -> None:
        """
        A disk, and a folder that is not below it.
        """
        self.disk = disk_for(self)
        self.folder = folder_for(self)

    def file(self, name: str, text: bytes) -> str:
        """
        The path of a new file.
        """
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(text)
        return path

    def complaint(self, certificate: str, key: str) -> str:
        """
        What is said of two files.
        """
        problem: BadSetting = self.assertRaises(BadSetting, read_pair, self.disk, certificate, key)
        return problem.public

    def test_read(self) -> None:
        """
        A certificate and its key come back as they were written.
        """
        certificate, key = pems(pair_for("mail.example.org"))
        pair = read_pair(self.disk, self.file("c", certificate), self.file("k", key))
        self.assertEqual(pair_for("mail.example.org").certificate, pair.certificate)
        self.assertEqual(("mail.example.org",), pair.names)
        self.assertEqual((), pair.chain)

    def test_chain(self) -> None:
        """
        What follows the certificate in its file is its chain.
        """
        certificate, key = pems(chained_pair("mail.example.org"))
        pair = read_pair(self.disk, self.file("c", certificate), self.file("k", key))
        self.assertEqual(chained_pair("mail.example.org").chain, pair.chain)

    def test_one_file(self) -> None:
        """
        Certificate and key may be in one file.
        """
        both = self.file("both", b"".join(pems(pair_for("mail.example.org"))))
        self.assertEqual(("mail.example.org",), read_pair(self.disk, both, both).names)

    def test_missing(self) -> None:
        """
        A missing file is named, with its setting.
        """
        key = self.file("k", pems(pair_for("a"))[1])
        absent = os.path.join(self.folder, "absent.pem")
        self.assertEqual(f"tls.certificate: there is no file {absent}.", self.complaint(absent, key))
        certificate = self.file("c", pems(pair_for("a"))[0])
        self.assertEqual(f"tls.key: there is no file {absent}.", self.complaint(certificate, absent))

    def test_unreadable(self) -> None:
        """
        A file that may not be read, and one that cannot, say so.
        """

        def failing(problem: Exception) -> Callable[..., bytes]:
            def read(*_: object) -> bytes:
                raise problem

            return read

        for problem, wanted in (
            (PermissionError(13, "no"), "may not be read by the user that runs the server"),
            (IsADirectoryError(21, "Is a directory"), "Is a directory"),
            (TemporaryFailure("The disk failed."), "The disk failed."),
        ):
            self.patch(type(self.disk), "read", failing(problem))
            self.assertIn(wanted, self.complaint("c.pem", "k.pem"))

    def test_other_files(self) -> None:
        """
        What is no certificate, or no key, is called so.
        """
        certificate, key = (self.file(name, text) for name, text in zip("ck", pems(pair_for("a")), strict=True))
        for text in (b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            path = self.file("other", text)
            self.assertIn(f"{path} holds no certificate", self.complaint(path, key))
            self.assertIn(f"{path} holds no private key", self.complaint(certificate, path))
        self.assertIn(f"{key} holds no certificate", self.complaint(key, certificate))

    def test_encrypted_key(self) -> None:
        """
        A key under a password is called so.
        """
        pair = pair_for("a")
        encrypted = pair.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
        complaint = self.complaint(self.file("c", pems(pair)[0]), self.file("k", encrypted))
        self.assertIn("is encrypted", complaint)

    def test_other_key(self) -> None:
        """
        A key that does not belong to the certificate is refused; both files are named.
        """
        certificate, key = self.file("c", pems(pair_for("a"))[0]), self.file("k", pems(pair_for("b"))[1])
        self.assertEqual(
            f"The key in {key} does not belong to the certificate in {certificate}.", self.complaint(certificate, key)
        )

    def test_no_names(self) -> None:
        """
        A certificate without alternative names has none.
        """
        (authority,) = chained_pair("mail.example.org").chain
        self.assertEqual((), Pair(authority, (), pair_for("a").key).names)


class ProblemsTests(SynchronousTestCase):
    """
    What clients will not like.
    """

    def problems(self, days: float, hostname: str = "Mail.example.org", pair: Pair | None = None) -> list[str]:
        """
        What is said some days from now.
        """
        moment = (NOW + timedelta(days=days)).timestamp()
        return problems_of(pair or chained_pair("mail.example.org"), hostname, moment)

    def test_good(self) -> None:
        """
        A certificate in its time and for this host is good, as is a wildcard above the host.
        """
        self.assertEqual([], self.problems(0))
        self.assertEqual([], self.problems(0, "a.example.com", pair_for("*.example.com")))

    def test_time(self) -> None:
        """
        Too early, too late and nearly too late are told.
        """
        self.assertEqual(["The certificate is valid from 2026-11-24 only."], self.problems(-2))
        self.assertEqual(["The certificate expired on 2027-02-23."], self.problems(91))
        self.assertEqual(["The certificate expires on 2027-02-23."], self.problems(84))

    def test_name(self) -> None:
        """
        A certificate for another host is told.
        """
        self.assertEqual(
            ["The certificate is for mail.example.org, and hostname is example.org."], self.problems(0, "example.org")
        )
        (authority,) = chained_pair("mail.example.org").chain
        nameless = Pair(authority, (), pair_for("a").key)
        self.assertIn("is for no name", self.problems(0, "example.org", nameless)[0])


class SelfSignedTests(SynchronousTestCase):
    """
    The certificate of the first start.
    """

    def setUp(self) -> None:
        """
        An empty data directory.
        """
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.disk = disk_for(self, clock=self.clock)

    def pair(self, hostname: str = "Mail.example.org") -> Pair:
        """
        The pair as a start finds or makes it.
        """
        return self_signed_pair(self.disk, self.clock, hostname)

    def test_made(self) -> None:
        """
        It is an EC P-256 certificate for the host's name and for loopback, good for ten years.
        """
        pair = self.pair()
        self.assertEqual(("mail.example.org", "localhost"), pair.names)
        assert isinstance(pair.key, ec.EllipticCurvePrivateKey)
        self.assertEqual("secp256r1", pair.key.curve.name)
        found = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertIn(ipaddress.ip_address("127.0.0.1"), found.get_values_for_type(x509.IPAddress))
        self.assertEqual(NOW + timedelta(days=3650), pair.certificate.not_valid_after_utc)
        self.assertLess(pair.certificate.not_valid_before_utc, NOW)

    def test_modes(self) -> None:
        """
        Nobody else may read the key; everybody may read the certificate.
        """
        self.pair()
        modes = [os.stat(os.path.join(self.disk.root, name)).st_mode & 0o777 for name in (KEY, CERTIFICATE)]
        self.assertEqual([0o600, 0o644], modes)

    def test_kept(self) -> None:
        """
        The next start finds it.
        """
        self.assertEqual(self.pair().certificate, self.pair().certificate)

    def test_localhost(self) -> None:
        """
        A host without a name of its own has one name.
        """
        self.assertEqual(("localhost",), self.pair("localhost").names)

    def test_long_name(self) -> None:
        """
        A long host name is no trouble, though a common name has 64 characters at most.
        """
        name = ".".join(["x" * 60] * 4)
        self.assertEqual(name, self.pair(name).names[0])

    def test_made_anew(self) -> None:
        """
        Another host name, the end of its time, a broken or missing half: it is made anew.
        """

        def other_name() -> Pair:
            return self.pair("other.example.org")

        def too_old() -> Pair:
            self.clock.advance(timedelta(days=3644).total_seconds())
            return self.pair()

        def broken() -> Pair:
            self.disk.write_file(CERTIFICATE, b"-----BEGIN")
            return self.pair()

        def missing() -> Pair:
            self.disk.remove(CERTIFICATE)
            return self.pair()

        def other_key() -> Pair:
            self.disk.write_file(KEY, key_pem(pair_for("b")))
            return self.pair()

        for change in (other_name, too_old, broken, missing, other_key):
            before = self.pair().certificate
            after = change().certificate
            self.assertNotEqual(before, after, change.__name__)
            self.assertEqual(after, read_pair(self.disk, CERTIFICATE, KEY).certificate)
