"""
LITERAL+: literals that are sent without being asked for (RFC 7888).

How they are announced is in C{reading}, which reads every literal; this line of the registry makes it known.
"""

from __future__ import annotations

from ..vocabulary import Extension

EXTENSION = Extension(
    rfc="RFC 7888",
    capabilities=(b"LITERAL+",),
    is_offered_before_login=True,
)
