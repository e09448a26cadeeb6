"""
Word to systemd of what the server is about: sd_notify(3), for units of C{Type=notify}.
"""

from __future__ import annotations

import socket

from twisted.logger import Logger

_log = Logger()


def notify(place: str, *lines: str) -> None:
    """
    Tell whoever started this process.

    @param place: what C{NOTIFY_SOCKET} says, a path or an abstract name after C{@}; empty where nobody wants to know.
    """
    if not place:
        return
    address = "\0" + place[1:] if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaking:
            speaking.setblocking(False)
            speaking.sendto("\n".join(lines).encode("ascii"), address)
    except OSError as problem:
        _log.warn("systemd cannot be told: {problem}", problem=str(problem))
