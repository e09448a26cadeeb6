"""
Everything this server speaks, on one page.
"""

from __future__ import annotations

from . import commands
from .extensions import (
    capa,
    expire,
    implementation,
    lang,
    logindelay,
    pipelining,
    respcodes,
    sasl,
    stls,
    top,
    uidl,
    user,
    utf8,
)
from .vocabulary import Registry

#: In the order CAPA lists them.
EXTENSIONS = (
    capa.EXTENSION,  # RFC 2449
    top.EXTENSION,  # RFC 1939, 2449
    uidl.EXTENSION,  # RFC 1939, 2449
    user.EXTENSION,  # RFC 1939, 2449
    sasl.EXTENSION,  # RFC 5034
    stls.EXTENSION,  # RFC 2595
    pipelining.EXTENSION,  # RFC 2449
    respcodes.EXTENSION,  # RFC 2449
    respcodes.AUTHENTICATION,  # RFC 3206
    logindelay.EXTENSION,  # RFC 2449
    expire.EXTENSION,  # RFC 2449
    utf8.EXTENSION,  # RFC 6856
    lang.EXTENSION,  # RFC 6856
    implementation.EXTENSION,  # RFC 2449
)

REGISTRY = Registry(commands.COMMANDS, EXTENSIONS)
