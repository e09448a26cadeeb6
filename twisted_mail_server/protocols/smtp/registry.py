"""
Every ESMTP extension we offer, on one page, and the commands that come of it.
"""

from __future__ import annotations

from .extensions import auth, eightbit, enhancedcodes, pipelining, size, starttls
from .states import BASE_MOVES, Moves
from .verbs import Reader

#: In the order EHLO lists them.
EXTENSIONS = (
    pipelining.EXTENSION,  # RFC 2920
    size.EXTENSION,  # RFC 1870
    eightbit.EXTENSION,  # RFC 6152
    enhancedcodes.EXTENSION,  # RFC 2034
    starttls.EXTENSION,  # RFC 3207
    auth.EXTENSION,  # RFC 4954
)

_ALL = (*Reader(EXTENSIONS).verbs(), *(verb for extension in EXTENSIONS for verb in extension.verbs))

#: By what a client writes, in upper case.
VERBS = {verb.name.encode("ascii"): verb for verb in _ALL}

#: What may follow what, extensions included.
MOVES: Moves = {
    state: {
        **moves,
        **{verb.name: verb.moves[state] for extension in EXTENSIONS for verb in extension.verbs if state in verb.moves},
    }
    for state, moves in BASE_MOVES.items()
}

for _names in (
    [extension.keyword for extension in EXTENSIONS],
    [verb.name for verb in _ALL],
    [parameter.name for extension in EXTENSIONS for parameter in extension.mail_parameters],
    [parameter.name for extension in EXTENSIONS for parameter in extension.recipient_parameters],
):
    if len(set(_names)) != len(_names):
        raise AssertionError(f"A name is claimed twice: {_names}.")
