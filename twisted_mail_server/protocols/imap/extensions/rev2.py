"""
IMAP4rev2, beside IMAP4rev1 (RFC 9051).

C{revisions} has what the two do differently; here is what makes it known, and how a client asks for it (appendix A).
"""

from __future__ import annotations

from ..revisions import REV2
from ..vocabulary import Extension

EXTENSION = Extension(
    rfc="RFC 9051",
    capabilities=(b"IMAP4rev2",),
    is_offered_before_login=True,
    enables={b"IMAP4rev2": frozenset({REV2.name})},
)
