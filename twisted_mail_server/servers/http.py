"""
The HTTP listener: metrics for Prometheus, and whether the server lives.

It speaks to this machine, and to networks that the settings name; whoever else connects is let go without a word.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import INTERNAL_SERVER_ERROR, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from ..model import limits
from .terms import Terms, address_text, is_loopback, trust_nobody

_log = Logger()

#: Prometheus' text format.
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"
_PLAIN = b"text/plain; charset=utf-8"

#: Makes a page when somebody asks for it.
Page = Callable[[], Awaitable[bytes]]


class PageResource(Resource):
    """
    A page that is made anew for each request.
    """

    def __init__(self, page: Page, content_type: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._page = page
        self._type = content_type

    def render_GET(self, request: Request) -> int:
        """
        Make the page, and send it when it is made; HEAD gets no content, by Twisted.
        """
        making: Deferred[bytes] = Deferred.fromCoroutine(_made(self._page))
        request.notifyFinish().addErrback(lambda _: making.cancel())
        making.addCallbacks(self._send, self._failed, callbackArgs=(request,), errbackArgs=(request,))
        return NOT_DONE_YET

    def _send(self, content: bytes, request: Request) -> None:
        request.setHeader(b"content-type", self._type)
        request.setHeader(b"cache-control", b"no-store")
        request.setHeader(b"content-length", b"%d" % len(content))
        request.write(content)
        request.finish()

    def _failed(self, failure: Failure, request: Request) -> None:
        if failure.check(CancelledError) is not None:
            # Who asked is gone.
            return
        _log.failure("a page could not be made", failure)
        request.setResponseCode(INTERNAL_SERVER_ERROR)
        self._send(b"This could not be made; the log has the reason.\n", request)


class QuietSite(Site):
    """
    A site that writes no access log: who looks every few seconds would fill it.
    """

    noisy = False

    def log(self, request: Request) -> None:
        """
        Nothing.
        """


class HttpFactory(WrappingFactory):
    """
    Answers C{GET /metrics} and C{GET /health}.
    """

    noisy = False

    def __init__(self, terms: Terms, *, metrics: Page, is_trusted: Callable[[str], bool] = trust_nobody) -> None:
        root = Resource()
        root.putChild(b"metrics", PageResource(metrics, _METRICS))
        root.putChild(b"health", PageResource(_health, _PLAIN))
        site = QuietSite(root, reactor=terms.clock, timeout=limits.HTTP_TIMEOUT)  # type: ignore[no-untyped-call]
        super().__init__(site)  # type: ignore[no-untyped-call]
        self._most = terms.connections
        self._is_trusted = is_trusted

    @property
    def sessions(self) -> Collection[object]:
        """
        Its connections of this moment.
        """
        return self.protocols

    def succeed(self, earlier: object) -> None:
        """
        Take the place of another: each counts its own connections.
        """

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """
        Speak to who may ask, while there are not too many, and to nobody else.
        """
        peer = address_text(addr)
        if not is_loopback(peer) and not self._is_trusted(peer):
            _log.info("refused http connection of {peer}: it is not in a trusted network", peer=peer)
            return None
        if len(self.protocols) >= self._most:
            return None
        return super().buildProtocol(addr)

    async def drain(self) -> None:
        """
        Close every connection once its answer is sent; what is not answered yet is given up.
        """
        for connection in tuple(self.protocols):
            connection.loseConnection()


async def _made(page: Page) -> bytes:
    return await page()


async def _health() -> bytes:
    return b"ok\n"
