"""
Every ESMTP extension we know, on one page, and the commands that come of it.
"""

from __future__ import annotations

from .extensions import (
    auth,
    chunking,
    dsn,
    eightbit,
    enhancedcodes,
    limits,
    pipelining,
    size,
    smtputf8,
    starttls,
)
from .lmtp import LHLO, lmtp_moves
from .states import BASE_MOVES, Moves
from .verbs import Reader
from .vocabulary import Dialect

#: In the order EHLO lists them.
EXTENSIONS = (
    pipelining.EXTENSION,  # RFC 2920
    size.EXTENSION,  # RFC 1870
    eightbit.EXTENSION,  # RFC 6152
    enhancedcodes.EXTENSION,  # RFC 2034
    smtputf8.EXTENSION,  # RFC 6531
    chunking.EXTENSION,  # RFC 3030
    dsn.EXTENSION,  # RFC 3461
    limits.EXTENSION,  # RFC 9422
    starttls.EXTENSION,  # RFC 3207
    auth.EXTENSION,  # RFC 4954
)


def _dialect(name: str, hello: str, moves: Moves, *, answers_each: bool = False) -> Dialect:
    """
    The commands of RFC 5321, and what the extensions add.
    """
    verbs = (*Reader(EXTENSIONS, hello).verbs(), *(verb for extension in EXTENSIONS for verb in extension.verbs))
    if len({verb.name for verb in verbs}) != len(verbs):
        raise AssertionError("A verb is claimed twice.")
    return Dialect(
        name,
        hello,
        {verb.name.encode("ascii"): verb for verb in verbs},
        {
            state: {**here, **{verb.name: verb.moves[state] for verb in verbs if state in verb.moves}}
            for state, here in moves.items()
        },
        answers_each,
    )


SMTP = _dialect("ESMTP", "EHLO", BASE_MOVES)
LMTP = _dialect("LMTP", LHLO, lmtp_moves(BASE_MOVES), answers_each=True)

for _names in (
    [extension.keyword for extension in EXTENSIONS],
    [parameter.name for extension in EXTENSIONS for parameter in extension.mail_parameters],
    [parameter.name for extension in EXTENSIONS for parameter in extension.recipient_parameters],
):
    if len(set(_names)) != len(_names):
        raise AssertionError(f"A name is claimed twice: {_names}.")
