"""
Every SASL mechanism we know, strongest first, on one page.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import plain, scram

#: Strongest first: clients take the first they know.
MECHANISMS = (
    scram.SHA_256_PLUS,  # RFC 7677
    scram.SHA_1_PLUS,  # RFC 5802
    scram.SHA_256,  # RFC 7677
    scram.SHA_1,  # RFC 5802
    plain.PLAIN,  # RFC 4616
    plain.LOGIN,  # draft-murchison-sasl-login
)

BY_NAME = {mechanism.name: mechanism for mechanism in MECHANISMS}

if len(BY_NAME) != len(MECHANISMS):
    raise AssertionError("A mechanism is listed twice.")


def known(names: Iterable[str], *, has_binding: bool = False) -> tuple[str, ...]:
    """
    Those of C{names} that there is a mechanism for, strongest first; those that bind to the TLS connection only where that
    can be done.
    """
    wanted = frozenset(names)
    return tuple(
        mechanism.name
        for mechanism in MECHANISMS
        if mechanism.name in wanted and (has_binding or not mechanism.is_bound)
    )
