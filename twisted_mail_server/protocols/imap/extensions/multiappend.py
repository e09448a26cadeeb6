"""
MULTIAPPEND: several messages by one APPEND, all or none (RFC 3502).

C{commands.appending} takes one message or many in the same way; this line of the registry makes it known.
"""

from __future__ import annotations

from ..vocabulary import Extension

EXTENSION = Extension(rfc="RFC 3502", capabilities=(b"MULTIAPPEND",))
