"""
Line ends of messages that lay in files: CRLF where the file has LF alone (RFC 5322 section 2.1).
"""

from __future__ import annotations

import re

from attrs import define

_BARE = re.compile(rb"(?<!\r)\n")


@define
class LineEnds:
    """
    Content on its way from a file.  Its first line end decides: after CRLF every octet is taken as it is; after a bare LF each
    bare LF becomes CRLF.
    """

    #: L{None} before the first line end.
    is_bare: bool | None = None
    _ends_in_cr: bool = False

    def feed(self, data: bytes) -> bytes:
        """
        A piece of content as it is to be kept.
        """
        if self.is_bare is None:
            place = data.find(b"\n")
            if place >= 0:
                before = data[place - 1 : place] if place else (b"\r" if self._ends_in_cr else b"")
                self.is_bare = before != b"\r"
        fed = data
        if self.is_bare:
            fed = _BARE.sub(b"\r\n", data)
            if self._ends_in_cr and data.startswith(b"\n"):
                fed = fed[1:]
        if data:
            self._ends_in_cr = data.endswith(b"\r")
        return fed
