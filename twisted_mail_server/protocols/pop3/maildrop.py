"""
The maildrop of one session: what it held when the session began, and what is marked as deleted (RFC 1939 section 5).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from ...model.errors import Refused


@define(eq=False)
class Maildrop:
    """
    Messages by number, counted from 1; the numbers never change.

    Sizes are RFC822.SIZE: the octets of the message as it is kept.  As mail is kept with CRLF at line ends that is the
    size that RFC 1939 section 11 asks for; only for a message that came by IMAP with bare line ends, which are sent as CRLF,
    it is less.
    """

    uidvalidity: int
    #: Ascending.
    uids: Sequence[int]
    #: Runs in parallel to C{uids}.
    sizes: Sequence[int]
    #: Positions, counted from 0.
    _deleted: set[int] = field(factory=set, init=False)
    _left: int = field(init=False)
    _octets: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.restore()

    @property
    def summary(self) -> str:
        """
        For people.
        """
        return f"{self._left} message{'' if self._left == 1 else 's'} ({self._octets} octets)"

    @property
    def drop_listing(self) -> str:
        """
        How many messages and octets there are, without those marked as deleted.
        """
        return f"{self._left} {self._octets}"

    @property
    def deleted_uids(self) -> tuple[int, ...]:
        """
        What UPDATE is to remove.
        """
        return tuple(self.uids[position] for position in sorted(self._deleted))

    def find(self, number: int) -> int:
        """
        The position of the message of that number.

        @raise Refused: there is none, or it is marked as deleted.
        """
        position = number - 1
        if not 0 <= position < len(self.uids):
            raise Refused(f"No such message, only {len(self.uids)} in the maildrop.")
        if position in self._deleted:
            raise Refused(f"Message {number} is deleted already.")
        return position

    def delete(self, number: int) -> None:
        """
        Mark a message.

        @raise Refused: there is none of that number, or it is marked already.
        """
        position = self.find(number)
        self._deleted.add(position)
        self._left -= 1
        self._octets -= self.sizes[position]

    def restore(self) -> None:
        """
        Take all marks back.
        """
        self._deleted.clear()
        self._left = len(self.uids)
        self._octets = sum(self.sizes)

    def scan_listings(self) -> list[bytes]:
        """
        Number and size of each message that is not marked.
        """
        return [b"%d %d" % numbered for numbered in self._unmarked(self.sizes)]

    def scan_listing(self, number: int) -> str:
        """
        Number and size of one message.

        @raise Refused: there is none of that number, or it is marked.
        """
        return f"{number} {self.sizes[self.find(number)]}"

    def unique_ids(self) -> list[bytes]:
        """
        Number and unique-id of each message that is not marked.

        The unique-id is made of UIDVALIDITY and UID, so it is never used for another message (RFC 1939 section 7, RFC 3501 section
        2.3.1.1).
        """
        prefix = b"%%d %08x%%08x" % self.uidvalidity
        return [prefix % numbered for numbered in self._unmarked(self.uids)]

    def unique_id(self, number: int) -> str:
        """
        Number and unique-id of one message.

        @raise Refused: there is none of that number, or it is marked.
        """
        return f"{number} {self.uidvalidity:08x}{self.uids[self.find(number)]:08x}"

    def _unmarked(self, values: Sequence[int]) -> list[tuple[int, int]]:
        if not self._deleted:
            return list(enumerate(values, 1))
        deleted = self._deleted
        return [(number, value) for number, value in enumerate(values, 1) if number - 1 not in deleted]
