"""
IMPLEMENTATION: who we are, and no version for those who look for old ones (RFC 2449 section 6.9).
"""

from __future__ import annotations

from ..vocabulary import Extension

EXTENSION = Extension(rfc="RFC 2449", announce=lambda _: "IMPLEMENTATION twisted-mail-server")
