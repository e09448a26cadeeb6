"""
TLS as a client: opportunistic toward any mail server, verified toward one that was named in the settings.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Any, cast
from weakref import WeakKeyDictionary

from attrs import define, field, frozen
from OpenSSL import SSL
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_mail_server.interfaces import IOutboundTls
from twisted_mail_server.model import limits

#: Where anything is better than clear text: short keys and SHA-1 signatures, too, for a server that has nothing better gets the
#: message anyway (RFC 7435 section 3).  TLS 1.3 has its own ciphers, all good.
_OPPORTUNISTIC = b"HIGH:!aNULL:!eNULL:!MD5:!DSS:!3DES:@SECLEVEL=0"
_VERIFIED = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AESGCM:!aNULL:!eNULL:!MD5:!DSS"

#: The alert that closes a connection (RFC 8446 section 6.1).
_CLOSE_NOTIFY = 0


def make_context(*, ciphers: bytes) -> SSL.Context:
    """
    A client's context: TLS 1.2 or newer, sessions that can be resumed, buffers only while they are used.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(ciphers)
    context.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)
    return context


@define(eq=False)
class _Progress:
    """
    A connection, as much as is known of it here.
    """

    host: str
    protocol: TLSMemoryBIOProtocol
    is_verified: bool
    #: Whether the handshake has ended well.
    is_good: bool = False


@implementer(IOpenSSLClientConnectionCreator)
@frozen(eq=False)
class _Creator:
    """
    Makes connections to one host.
    """

    _tls: OutboundTls
    _host: str
    _context: SSL.Context
    _is_verified: bool

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        A new connection that says whom it wants (SNI, RFC 6066 section 3), and resumes a session if there is one.
        """
        connection = SSL.Connection(self._context, None)
        self._tls.watch(connection, _Progress(self._host, tlsProtocol, self._is_verified))
        if not _is_address(self._host):
            connection.set_tlsext_host_name(self._host.encode("idna" if not self._host.isascii() else "ascii"))
        session = self._tls.session(self._host, self._is_verified)
        if session is not None:
            connection.set_session(session)
        return connection


@implementer(IOutboundTls)
@define(eq=False)
class OutboundTls:
    """
    What we ask of the servers that we connect to.

    C{trusted} is a file of certificates to trust instead of the system's.
    """

    _trusted: str | None = None
    _opportunistic: SSL.Context = field(init=False)
    _verified: SSL.Context = field(init=False)
    #: By host, and whether it was verified; the oldest is forgotten first.
    _sessions: OrderedDict[tuple[str, bool], Any] = field(init=False, factory=OrderedDict)
    _progress: WeakKeyDictionary[SSL.Connection, _Progress] = field(init=False, factory=WeakKeyDictionary)

    def __attrs_post_init__(self) -> None:
        self._opportunistic = make_context(ciphers=_OPPORTUNISTIC)
        self._opportunistic.set_verify(SSL.VERIFY_NONE)
        self._verified = make_context(ciphers=_VERIFIED)
        self._verified.set_verify(SSL.VERIFY_PEER)
        if self._trusted is None:
            self._verified.set_default_verify_paths()
        else:
            self._verified.load_verify_locations(self._trusted)
        for context in (self._opportunistic, self._verified):
            context.set_info_callback(self._informed)

    def client_options(self, host: str) -> _Creator:
        """
        Opportunistic: any certificate is taken, for the alternative is to send in clear (RFC 7435).
        """
        return _Creator(self, host, self._opportunistic, False)

    def verified_options(self, host: str) -> _Creator:
        """
        The handshake fails unless the certificate is for C{host} and one that this machine trusts (RFC 9525).
        """
        return _Creator(self, host, self._verified, True)

    def accepts(self, connection: object) -> bool:
        """
        Whether a handshake has ended well, and the certificate is the right one where that matters.
        """
        progress = self._progress.get(cast(SSL.Connection, connection))
        return progress is not None and progress.is_good

    def session(self, host: str, is_verified: bool) -> Any:
        """
        One that may be resumed.
        """
        return self._sessions.get((host, is_verified))

    def watch(self, connection: SSL.Connection, progress: _Progress) -> None:
        """
        Look after a new connection.  Its C{app_data} is not ours: Twisted's TLS layer uses it.
        """
        self._progress[connection] = progress

    def _informed(self, connection: SSL.Connection, where: int, code: int) -> None:
        """
        OpenSSL tells of the handshake's end, and of alerts.  A session is worth keeping when it is closed: in TLS 1.3 the
        server's ticket comes after the handshake (RFC 8446 section 4.6.1).
        """
        progress = self._progress[connection]
        if where & SSL.SSL_CB_HANDSHAKE_DONE:
            progress.is_good = not progress.is_verified or _is_for(connection, progress)
        elif where & SSL.SSL_CB_ALERT and code & 0xFF == _CLOSE_NOTIFY and progress.is_good:
            self._keep((progress.host, progress.is_verified), connection.get_session())

    def _keep(self, key: tuple[str, bool], session: Any) -> None:
        self._sessions.pop(key, None)
        self._sessions[key] = session
        if len(self._sessions) > limits.TLS_SESSIONS:
            self._sessions.popitem(last=False)


def _is_for(connection: SSL.Connection, progress: _Progress) -> bool:
    """
    Whether the certificate is for the host; if not, the handshake fails.
    """
    verify = verify_ip_address if _is_address(progress.host) else verify_hostname
    try:
        verify(connection, progress.host)
    except Exception:  # noqa: BLE001 - whatever it is, it is no proof; and an exception in OpenSSL's callback would be lost
        progress.protocol.failVerification(Failure())
        return False
    return True


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
