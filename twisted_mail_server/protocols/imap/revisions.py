"""
What IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051) do differently, as one table.

A session begins with rev1; C{ENABLE IMAP4rev2} makes it rev2 to its end (RFC 9051 appendix A).  What rev2 has taken in of
older extensions is there for both; what it has dropped is still understood, but never said without being asked for.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Revision:
    """
    One revision of the protocol.
    """

    #: As ENABLE knows it, in capitals.
    name: bytes
    #: RECENT, and the flag C{\\Recent} (RFC 9051 appendix E, 12).
    tells_recent: bool
    #: The response code UNSEEN of SELECT (11).
    tells_first_unseen: bool
    #: The LIST response of SELECT (10).
    tells_name_when_selected: bool
    #: ESEARCH also for a SEARCH without RETURN (4).
    has_only_extended_search: bool
    #: Mailbox names in UTF-8 (16).
    has_utf8_names: bool
    #: UID in every FETCH response that nobody asked for (21).
    tells_uid_in_news: bool


REV1 = Revision(
    b"IMAP4REV1",
    tells_recent=True,
    tells_first_unseen=True,
    tells_name_when_selected=False,
    has_only_extended_search=False,
    has_utf8_names=False,
    tells_uid_in_news=False,
)
REV2 = Revision(
    b"IMAP4REV2",
    tells_recent=False,
    tells_first_unseen=False,
    tells_name_when_selected=True,
    has_only_extended_search=True,
    has_utf8_names=True,
    tells_uid_in_news=True,
)
