"""
LMTP: ESMTP between machines of one house, with an answer for each recipient (RFC 2033).

What it does otherwise: LHLO stands for EHLO and HELO (section 4.1); DATA without a recipient is out of turn, and the end of
content is answered once for each recipient that was taken (section 4.2); so is the last BDAT (section 4.3).
"""

from __future__ import annotations

from .states import Moves

LHLO = "LHLO"
_HELLOS = {"EHLO": LHLO, "HELO": None}


def lmtp_moves(moves: Moves) -> Moves:
    """
    The same table with the command of section 4.1.
    """
    return {
        state: {renamed: to for name, to in here.items() if (renamed := _HELLOS.get(name, name)) is not None}
        for state, here in moves.items()
    }
