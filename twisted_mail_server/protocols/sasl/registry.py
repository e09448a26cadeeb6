"""
Every SASL mechanism we know, strongest first, on one page.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import plain

#: Strongest first: clients take the first they know.
MECHANISMS = (
    plain.PLAIN,  # RFC 4616
    plain.LOGIN,  # draft-murchison-sasl-login
)

BY_NAME = {mechanism.name: mechanism for mechanism in MECHANISMS}

if len(BY_NAME) != len(MECHANISMS):
    raise AssertionError("A mechanism is listed twice.")


def known(names: Iterable[str]) -> tuple[str, ...]:
    """
    Those of C{names} that there is a mechanism for, strongest first.
    """
    wanted = frozenset(names)
    return tuple(mechanism.name for mechanism in MECHANISMS if mechanism.name in wanted)
