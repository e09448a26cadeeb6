"""
ENHANCEDSTATUSCODES: codes of RFC 3463 in every reply but the greeting, 3xx, and those to HELO and EHLO (RFC 2034).
"""

from __future__ import annotations

from ..vocabulary import Extension

#: As a client we look for such a code in every reply, promised or not: what looks like one is one.
EXTENSION = Extension(keyword="ENHANCEDSTATUSCODES", rfc="RFC 2034", offer=lambda conversation: "ENHANCEDSTATUSCODES")
