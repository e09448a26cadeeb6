"""
Certificates and keys: read from the operator's files, or made here at the first start.

The self-signed one lives in the data directory as C{tls/certificate.pem} (which a mail client may be told to trust) and
C{tls/key.pem} (mode 0600).  The key is written first: a crash between the two leaves no certificate, and both are made
anew.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from twisted.internet.interfaces import IReactorTime

from twisted_mail_server.interfaces import IDisk
from twisted_mail_server.model.errors import BadSetting, TemporaryFailure

#: Where the self-signed pair is kept, below the data directory.
DIRECTORY = "tls"
CERTIFICATE = f"{DIRECTORY}/certificate.pem"
KEY = f"{DIRECTORY}/key.pem"

_LIFETIME = timedelta(days=3650)
#: Clocks differ: valid from a day ago, and made anew a week before the end.
_EARLIER = timedelta(days=1)
_RENEWED_BEFORE = timedelta(days=7)
#: RFC 5280 appendix A: ub-common-name.
_COMMON_NAME = 64


@frozen(eq=False)
class Pair:
    """
    A certificate with its chain, and its key.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = field(repr=False)
    key: PrivateKeyTypes = field(repr=False)
    #: The names whose clients are shown it, where they are not those it is for.
    chosen_names: tuple[str, ...] = ()

    @property
    def shown_to(self) -> tuple[str, ...]:
        """
        The names whose clients are shown it (RFC 6066 section 3).
        """
        return self.chosen_names or self.names

    @property
    def names(self) -> tuple[str, ...]:
        """
        The DNS names it is for, in lower case; C{*.} may come first (RFC 6125 section 6.4.3).
        """
        try:
            found = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return ()
        return tuple(name.lower() for name in found.get_values_for_type(x509.DNSName))


def read_pair(
    disk: IDisk, certificate_path: str, key_path: str, setting: str = "tls", chosen_names: tuple[str, ...] = ()
) -> Pair:
    """
    The operator's certificate and key.  Blocks for a moment.

    @param setting: the table of the settings that names them, for complaints.
    @raise BadSetting: a file cannot be read or is not what it should be, or the two do not belong together; the text says which.
    """
    certificates = _parse_certificates(_read(disk, certificate_path, f"{setting}.certificate"), certificate_path)
    key = _parse_key(_read(disk, key_path, f"{setting}.key"), key_path)
    if not _belong_together(certificates[0], key):
        raise BadSetting(f"The key in {key_path} does not belong to the certificate in {certificate_path}.")
    return Pair(certificates[0], tuple(certificates[1:]), key, chosen_names)


def self_signed_pair(disk: IDisk, clock: IReactorTime, hostname: str) -> Pair:
    """
    The pair in the data directory, made when there is none, or none that is still good for C{hostname}.  Blocks.

    @raise DiskFull: there is no room for it.
    """
    now = datetime.fromtimestamp(clock.seconds(), UTC)
    names = tuple(dict.fromkeys((hostname.lower(), "localhost")))
    if disk.exists(CERTIFICATE) and disk.exists(KEY):
        try:
            pair = read_pair(disk, CERTIFICATE, KEY)
        except BadSetting:
            # What is here is nobody's work but ours: made anew.
            pair = None
        if pair is not None and _is_good(pair, names, now):
            return pair
    pair = make_pair(names, now)
    disk.make_directory(DIRECTORY)
    disk.write_file(KEY, key_pem(pair), 0o600)
    disk.write_file(CERTIFICATE, certificate_pem(pair), 0o644)
    return pair


def make_pair(names: Sequence[str], now: datetime) -> Pair:
    """
    A new key (EC P-256: half the work of RSA in each handshake) and a certificate that it signs itself.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_COMMON_NAME])])
    loopback = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names), *loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(_issuer(key), hashes.SHA256())
    )
    return Pair(certificate, (), key)


def problems_of(pair: Pair, hostname: str, now: float) -> list[str]:
    """
    Why clients will not like a certificate, a sentence each.
    """
    problems = []
    moment = datetime.fromtimestamp(now, UTC)
    begin, end = pair.certificate.not_valid_before_utc, pair.certificate.not_valid_after_utc
    if moment < begin:
        problems.append(f"The certificate is valid from {begin:%Y-%m-%d} only.")
    if moment > end:
        problems.append(f"The certificate expired on {end:%Y-%m-%d}.")
    elif moment > end - _RENEWED_BEFORE:
        problems.append(f"The certificate expires on {end:%Y-%m-%d}.")
    if not {hostname.lower(), "*." + hostname.lower().partition(".")[2]} & set(pair.names):
        names = ", ".join(pair.names) or "no name"
        problems.append(f"The certificate is for {names}, and hostname is {hostname}.")
    return problems


def certificate_pem(pair: Pair) -> bytes:
    """
    The certificate and its chain, as files hold them.
    """
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (pair.certificate, *pair.chain))


def key_pem(pair: Pair) -> bytes:
    """
    The key, as a file holds it.
    """
    return pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _issuer(key: ec.EllipticCurvePrivateKey) -> CertificateIssuerPrivateKeyTypes:
    return key


def _is_good(pair: Pair, names: Sequence[str], now: datetime) -> bool:
    return set(names) <= set(pair.names) and now + _RENEWED_BEFORE < pair.certificate.not_valid_after_utc


def _read(disk: IDisk, path: str, setting: str) -> bytes:
    try:
        return disk.read(path)
    except FileNotFoundError:
        raise BadSetting(f"{setting}: there is no file {path}.") from None
    except PermissionError:
        raise BadSetting(f"{setting}: {path} may not be read by the user that runs the server.") from None
    except (OSError, TemporaryFailure) as problem:
        raise BadSetting(f"{setting}: {path} cannot be read: {problem}.") from problem


def _parse_certificates(text: bytes, path: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text)
    except ValueError:
        raise BadSetting(f"{path} holds no certificate in PEM form (a block BEGIN CERTIFICATE).") from None


def _parse_key(text: bytes, path: str) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(text, None)
    except TypeError:
        raise BadSetting(f"The key in {path} is encrypted; the server has no password for it.") from None
    except Exception:  # noqa: BLE001 (cryptography raises several kinds for what is no key)
        raise BadSetting(f"{path} holds no private key in PEM form (a block BEGIN PRIVATE KEY).") from None


def _belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    public = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*public) == key.public_key().public_bytes(*public)
