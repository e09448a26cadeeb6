"""
PIPELINING: commands in groups, without waiting for each reply (RFC 2920).

The whole conversation is built for it: one question at a time, replies in order, output in one piece.
"""

from __future__ import annotations

from ..vocabulary import Extension, Offers, Usage


def learn_groups(offers: Offers, argument: str) -> None:
    """
    Where it is offered, everything up to DATA goes in one piece (section 3.1).
    """
    offers.takes_groups = True


EXTENSION = Extension(
    keyword="PIPELINING",
    rfc="RFC 2920",
    offer=lambda conversation: "PIPELINING",
    usage=Usage(learn_groups),
)
