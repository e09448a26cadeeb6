"""
Response codes: what follows C{-ERR} in brackets is for programs (RFC 2449 sections 6.4 and 8, RFC 3206).

Which failure has which code stands with the failure (L{twisted_mail_server.model.errors}): IN-USE and LOGIN-DELAY of RFC 2449,
SYS/TEMP of RFC 3206, and AUTH of RFC 3206 for every login that fails for its credentials and for no other.
"""

from __future__ import annotations

from ..vocabulary import Extension

EXTENSION = Extension(rfc="RFC 2449", announce=lambda _: "RESP-CODES")
AUTHENTICATION = Extension(rfc="RFC 3206", announce=lambda _: "AUTH-RESP-CODE")
