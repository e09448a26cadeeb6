"""
SASL-IR: AUTHENTICATE with its first response on the same line (RFC 4959).
"""

from __future__ import annotations

import re

from ...sasl.vocabulary import decode_initial_response
from ..vocabulary import Cursor, Extension

# authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")] *(CRLF base64)
_RESPONSE = re.compile(rb" ([A-Za-z0-9+/]+=*|=)\Z")


def read_initial_response(cursor: Cursor) -> bytes | None:
    """
    What follows the name of the mechanism; C{None} if nothing does.

    @raise SyntaxProblem: it is not base64.
    """
    found = cursor.may_take(_RESPONSE)
    return None if found is None else decode_initial_response(found[1])


EXTENSION = Extension(
    rfc="RFC 4959",
    capabilities=(b"SASL-IR",),
    is_offered_before_login=True,
)
