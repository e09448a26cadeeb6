"""
What TLS connections are made of, with the certificate chosen by the name that the client asks for (SNI).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field, frozen
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from twisted_mail_server.interfaces import ITlsCertificates
from twisted_mail_server.model.errors import BadSetting
from twisted_mail_server.tls.certificates import Pair

#: TLS 1.2: forward secrecy only.  CBC comes last, for old mail servers that would else fall back to no TLS at all.
#: TLS 1.3 has its own, all good.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!MD5:!DSS"
_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
#: Sessions are resumed for this server only.
_SESSION_ID = b"twisted-mail-server"


def make_context(pair: Pair, choose: Callable[[SSL.Connection], None]) -> SSL.Context:
    """
    A context that shows one certificate: TLS 1.2 or newer, session tickets, buffers only while they are used.

    @raise BadSetting: OpenSSL will not use the certificate or its key.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(_CIPHERS)
    context.set_session_id(_SESSION_ID)
    context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
    try:
        context.use_certificate(pair.certificate)
        for one in pair.chain:
            context.add_extra_chain_cert(one)
        context.use_privatekey(pair.key)  # type: ignore[arg-type]
        context.check_privatekey()
    except (SSL.Error, TypeError) as problem:
        raise BadSetting(
            f"OpenSSL will not use the certificate for {pair.certificate.subject.rfc4514_string()}."
        ) from problem
    context.set_tlsext_servername_callback(choose)
    return context


@frozen(eq=False)
class _Table:
    """
    The contexts of one moment.
    """

    first: SSL.Context
    by_name: dict[str, SSL.Context]

    def named(self, name: str) -> SSL.Context | None:
        """
        The context for a name, or for the wildcard above it.
        """
        return self.by_name.get(name) or self.by_name.get("*." + name.partition(".")[2])


@implementer(IOpenSSLServerConnectionCreator, ITlsCertificates)
@define(eq=False, init=False)
class ServerContexts:
    """
    Makes the server's TLS connections.  The first pair is for clients that name nobody, or somebody we do not know.

    @raise BadSetting: OpenSSL will not use a certificate or its key.
    """

    _table: _Table = field(init=False)
    #: What is shown now.
    pairs: tuple[Pair, ...] = field(init=False)

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.replace(pairs)

    def replace(self, pairs: Sequence[Pair]) -> None:
        """
        Show these from the next connection on; those under way keep what they have.

        @raise BadSetting: OpenSSL will not use one of them; nothing has changed.
        """
        contexts = [make_context(pair, self._choose) for pair in pairs]
        by_name: dict[str, SSL.Context] = {}
        for pair, context in zip(pairs, contexts, strict=True):
            for name in pair.shown_to:
                by_name.setdefault(name, context)
        self._table = _Table(contexts[0], by_name)
        self.pairs = tuple(pairs)

    def server_options(self) -> ServerContexts:
        """
        For C{startTLS} and for implicit TLS.
        """
        return self

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        A new connection; which certificate it shows is chosen when the client has named one.
        """
        return SSL.Connection(self._table.first, None)

    def _choose(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        context = self._table.named(name.decode("ascii", "replace").lower()) if name else None
        if context is not None:
            connection.set_context(context)
