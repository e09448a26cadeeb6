"""
What stands in for what is known of somebody, where a name is nobody's.
"""

from __future__ import annotations

import hmac


def stand_in(secret: bytes, name: str) -> bytes:
    """
    32 octets for one spelling of a name.
    """
    return hmac.digest(secret, name.encode("utf-8", "surrogatepass"), "sha256")
