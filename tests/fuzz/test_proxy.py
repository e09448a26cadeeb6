"""
PROXY headers: whatever comes, in whatever pieces, is a header, the beginning of one, or refused; never more than one can have is
kept.
"""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.protocols.test_proxy import BAD, GOOD
from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.protocols.proxy import ProxyHeader, ProxyReader

_HEADERS = st.sampled_from([header for header, _ in GOOD] + list(BAD))
_calm = settings(derandomize=True, max_examples=500, deadline=None, database=None)


@st.composite
def _spoiled(draw: st.DrawFn) -> bytes:
    """
    A header with some octets changed, and something behind it.
    """
    header = bytearray(draw(_HEADERS))
    for at, octet in draw(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=3)):
        header[at % len(header)] = octet
    return bytes(header) + draw(st.binary(max_size=20))


def _read(pieces: list[bytes]) -> tuple[ProxyHeader | str | None, bytes]:
    """
    What is read, or C{error}; and what follows.
    """
    reader = ProxyReader()
    for number, piece in enumerate(pieces):
        try:
            header = reader.receive(piece)
        except SyntaxProblem:
            return "error", b""
        if header is not None:
            return header, reader.rest + b"".join(pieces[number + 1 :])
    return None, b"".join(pieces)


class ProxyInvariants(SynchronousTestCase):
    """
    Over generated input.
    """

    @_calm
    @given(st.one_of(_spoiled(), st.binary(max_size=40)), st.integers(0, 600))
    def test_cut_anywhere(self, data: bytes, cut: int) -> None:
        """
        Pieces change nothing, an address is one, and what waits is bounded.
        """
        whole = _read([data])
        at = cut % (len(data) + 1)
        self.assertEqual(whole, _read([data[:at], data[at:]]))
        self.assertEqual(whole, _read([data[at : at + 1] for at in range(len(data))]))
        header, rest = whole
        if isinstance(header, ProxyHeader):
            self.assertTrue(data.endswith(rest))
            if header.source:
                self.assertEqual(header.source, str(ipaddress.ip_address(header.source)))
        elif header is None:
            self.assertLess(len(data), limits.PROXY_HEADER)
