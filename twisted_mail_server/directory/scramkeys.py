"""
SCRAM keys as text, in the form of RFC 5803 section 2 without its scheme: C{4096:salt$StoredKey:ServerKey}.
"""

from __future__ import annotations

import base64
import binascii
import re

from twisted_mail_server.model.accounts import ScramKeys
from twisted_mail_server.model.errors import TemporaryFailure

# authInfo = iter-count ":" salt ; authValue = stored-key ":" server-key, all base64
_KEYS = re.compile(r"(?P<iterations>[1-9][0-9]{0,9}):(?P<salt>[^:$]*)\$(?P<stored>[^:$]*):(?P<server>[^:$]*)")


def write(keys: ScramKeys | None) -> str | None:
    """
    What is kept of C{keys}.
    """
    if keys is None:
        return None
    salt, stored, server = (
        base64.b64encode(part).decode("ascii") for part in (keys.salt, keys.stored_key, keys.server_key)
    )
    return f"{keys.iterations}:{salt}${stored}:{server}"


def read(text: str | None) -> ScramKeys | None:
    """
    What L{write} wrote.

    @raise TemporaryFailure: it did not write that; the account is not at fault.
    """
    if text is None:
        return None
    found = _KEYS.fullmatch(text)
    try:
        if found is not None:
            salt, stored, server = (
                base64.b64decode(found[name], validate=True) for name in ("salt", "stored", "server")
            )
            return ScramKeys(salt, int(found["iterations"]), stored, server)
    except binascii.Error:
        pass
    raise TemporaryFailure("The credentials of this account cannot be read.")
