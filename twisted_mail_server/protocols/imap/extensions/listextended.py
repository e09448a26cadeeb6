"""
LIST-EXTENDED: which names are told of, and what of them, is for the client to say (RFC 5258).

How LIST is read and answered is in C{commands.listing}; here are the options that RFC brings.
"""

from __future__ import annotations

from ..list_vocabulary import ReturnOption, SelectionOption
from ..vocabulary import Extension

EXTENSION = Extension(
    rfc="RFC 5258",
    capabilities=(b"LIST-EXTENDED",),
    list_selections={
        b"SUBSCRIBED": SelectionOption(
            selects=lambda listed: listed.is_subscribed, reaches_subscribed=True, implies=b"SUBSCRIBED"
        ),
        # There are no mailboxes here that are elsewhere (RFC 2193).
        b"REMOTE": SelectionOption(),
        b"RECURSIVEMATCH": SelectionOption(is_recursive=True),
    },
    list_returns={
        b"SUBSCRIBED": ReturnOption(attributes=lambda listed: (b"\\Subscribed",) if listed.is_subscribed else ()),
        # They are told of in any case (RFC 3348).
        b"CHILDREN": ReturnOption(),
    },
)
