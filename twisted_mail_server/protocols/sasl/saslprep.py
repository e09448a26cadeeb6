"""
SASLprep (RFC 4013): one form for all the ways to type the same password.
"""

from __future__ import annotations

from scramp.utils import ScramException, saslprep  # type: ignore[import-untyped]


def prepared(password: bytes) -> bytes:
    """
    A password in the form in which it is compared (RFC 4616 section 2, RFC 5802 section 2.2).

    What is no UTF-8, or holds what SASLprep forbids, is taken as it is.
    """
    try:
        text = password.decode("utf-8")
        return password if text.isascii() and text.isprintable() else str(saslprep(text)).encode("utf-8") or password
    except (UnicodeDecodeError, ScramException):
        return password
