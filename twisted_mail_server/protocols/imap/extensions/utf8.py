"""
UTF8=ACCEPT: UTF-8 in quoted strings, and in mailbox names (RFC 6855).

What a client sends in UTF-8 is taken from every client; what it is sent is UTF-8 once it has said that it accepts that.  The
readers and writers of names ask C{session.has_utf8_names}; SEARCH refuses CHARSET then (section 3).
"""

from __future__ import annotations

from ..vocabulary import Extension

EXTENSION = Extension(
    rfc="RFC 6855",
    capabilities=(b"UTF8=ACCEPT",),
    enables={b"UTF8=ACCEPT": frozenset({b"UTF8=ACCEPT"})},
)
