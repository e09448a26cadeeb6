"""
STATUS=SIZE: the octets of a mailbox (RFC 8438).
"""

from __future__ import annotations

from ..vocabulary import Extension

EXTENSION = Extension(
    rfc="RFC 8438",
    capabilities=(b"STATUS=SIZE",),
    status_items={b"SIZE": lambda _, status: b"%d" % status.size},
)
