"""
Passwords that the settings speak of: read while the process may still read their files, and shown nowhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import BadSetting

from .kinds import Secret
from .settings import Settings

#: What others than a file's owner may do with it.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def smarthost_login(settings: Settings, environ: Mapping[str, str]) -> tuple[str, bytes] | None:
    """
    Who to log in as at the smarthost; L{None} where nobody does.

    @raise BadSetting: the password cannot be read.
    """
    relay = settings.relay
    if not relay.smarthost_login:
        return None
    return relay.smarthost_login, _read(relay.smarthost_password, environ, "relay.smarthost_password")


def warnings(settings: Settings) -> Iterator[str]:
    """
    A sentence for each file with a password that others may read.
    """
    secret = settings.relay.smarthost_password
    path = secret.file or (settings.source if secret.text else None)
    if path is not None and _mode(path) & _OTHERS:
        yield f"{path} holds a password, and others than its owner may read or change it. Do: chmod 600 {path}"


def _mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return 0


def _read(secret: Secret, environ: Mapping[str, str], setting: str) -> bytes:
    if secret.file:
        found, place = _first_line(secret.file, setting), secret.file
    elif secret.variable:
        found, place = environ.get(secret.variable, "").encode("utf-8", "surrogateescape"), f"${secret.variable}"
    else:
        return secret.text.encode("utf-8")
    if not found:
        raise BadSetting(f"{setting}: {place} holds no password.")
    return found


def _first_line(path: str, setting: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.readline(limits.PASSWORD + 2).rstrip(b"\r\n")
    except OSError as problem:
        raise BadSetting(f"{setting}: {path}: {problem.strerror}.") from problem
