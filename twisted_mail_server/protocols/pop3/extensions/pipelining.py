"""
PIPELINING: commands may be sent without waiting for answers; they are answered in their order (RFC 2449 section 6.6).
"""

from __future__ import annotations

from ..vocabulary import Extension

EXTENSION = Extension(rfc="RFC 2449", announce=lambda _: "PIPELINING")
