"""
EXPIRE: how long mail is kept at least: until somebody removes it (RFC 2449 section 6.7).
"""

from __future__ import annotations

from ..vocabulary import Extension

EXTENSION = Extension(rfc="RFC 2449", announce=lambda _: "EXPIRE NEVER")
