"""
The place in a command: a line, literals taken out of it, read from left to right (RFC 3501 section 9).

Every reader either moves on, or raises and leaves the command to be answered with BAD.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

from ...model import limits
from ...model.errors import CannotDo, SyntaxProblem, TooLong
from ...model.mailboxes import SEPARATOR, check_name, decode_modified_utf7, swap_separator
from ...model.numbers import MAX_NUMBER, SequenceSet

T = TypeVar("T")

# ATOM-CHAR = <any CHAR except atom-specials>
# atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials
ATOM_CHAR = rb"[^\x00-\x20(){%*\"\\\]\x7f-\xff]"
_ATOM = re.compile(ATOM_CHAR + rb"+")
# astring = 1*ASTRING-CHAR / string ; ASTRING-CHAR = ATOM-CHAR / resp-specials
_ASTRING_ATOM = re.compile(rb"[^\x00-\x20(){%*\"\\\x7f-\xff]+")
# quoted = DQUOTE *QUOTED-CHAR DQUOTE
# QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials
# Octets above 127 pass: clients send UTF-8 in quoted strings, and what they mean is decided by whoever asked for a string.
_QUOTED = re.compile(rb'"([^"\\\x00\r\n]*+(?:\\["\\][^"\\\x00\r\n]*+)*+)"')
_QUOTED_SPECIAL = re.compile(rb'\\(["\\])')
# nil = "NIL"
_NIL = re.compile(rb"NIL(?![^\x00-\x20(){%*\"\\\x7f-\xff])", re.IGNORECASE)
# number = 1*DIGIT ; (0 <= n < 4,294,967,296)
_NUMBER = re.compile(rb"[0-9]{1,10}(?![0-9])")
# number64 = 1*DIGIT ; (0 <= n <= 9,223,372,036,854,775,807)
_NUMBER64 = re.compile(rb"[0-9]{1,19}(?![0-9])")
# sequence-set = (seq-number / seq-range) *("," sequence-set) / seq-last-command
# seq-last-command = "$"                                      ; RFC 5182 section 3
_SEQUENCE_SET = re.compile(rb"[0-9*][0-9*:,]*")
_MAX_NUMBER64 = (1 << 63) - 1

#: C{$}: the messages that the last SEARCH with SAVE found (RFC 5182).
SAVED = SequenceSet(())


class Cursor:
    """
    Where we are in one command.

    @param pieces: text, literal, text, literal ... text; the C{{n}} that announced a literal is taken off the text before it.
    @param separator: what stands between the levels of a mailbox name on this wire.
    @param has_utf8_names: whether mailbox names are plain UTF-8 (RFC 9051 section 5.1, RFC 6855 section 3).
    """

    __slots__ = ("_at", "_depth", "_has_utf8_names", "_index", "_line", "_pieces", "_separator")

    def __init__(self, pieces: Sequence[bytes], *, separator: str = SEPARATOR, has_utf8_names: bool = False) -> None:
        self._pieces = pieces or (b"",)
        self._index = 0
        self._line = self._pieces[0]
        self._at = 0
        self._depth = 0
        self._separator = separator
        self._has_utf8_names = has_utf8_names

    @property
    def at_end(self) -> bool:
        """
        Whether nothing follows.
        """
        return self._at >= len(self._line) and self._index + 1 >= len(self._pieces)

    def end(self) -> None:
        """
        @raise SyntaxProblem: something follows.
        """
        if not self.at_end:
            raise SyntaxProblem("There is more than the command takes.")

    def peek(self, text: bytes) -> bool:
        """
        Whether C{text} is next, in whatever case.
        """
        return self._line[self._at : self._at + len(text)].upper() == text.upper()

    def skip(self, text: bytes) -> bool:
        """
        Pass over C{text}, in whatever case, if it is next; whether it was.
        """
        if not self.peek(text):
            return False
        self._at += len(text)
        return True

    def expect(self, text: bytes) -> None:
        """
        Pass over C{text}, in whatever case.

        @raise SyntaxProblem: it is not next.
        """
        if not self.skip(text):
            raise SyntaxProblem(f"Expected {text.decode('ascii')!r}.")

    def space(self) -> None:
        """
        Pass over exactly one space.

        @raise SyntaxProblem: it is not next.
        """
        if self._line[self._at : self._at + 1] != b" ":
            raise SyntaxProblem("Expected a space.")
        self._at += 1

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        """
        Pass over what C{pattern} matches here, within the line.

        @raise SyntaxProblem: it does not match.
        """
        found = self.may_take(pattern)
        if found is None:
            raise SyntaxProblem("Something else was expected here.")
        return found

    def may_take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """
        As C{take}, but nothing happens where it does not match.
        """
        found = pattern.match(self._line, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def atom(self) -> bytes:
        """
        C{atom}

        @raise SyntaxProblem: none is next.
        """
        found = self.may_take(_ATOM)
        if found is None:
            raise SyntaxProblem("Expected an atom.")
        return found[0]

    def astring(self) -> bytes:
        """
        C{astring}

        @raise SyntaxProblem: none is next.
        """
        found = self.may_take(_ASTRING_ATOM)
        return self.string() if found is None else found[0]

    def string(self) -> bytes:
        """
        C{string}: quoted or literal.

        @raise SyntaxProblem: none is next, or a literal holds NUL (C{CHAR8}).
        """
        found = self.may_take(_QUOTED)
        if found is None:
            return self._literal()
        text = found[1]
        return _QUOTED_SPECIAL.sub(rb"\1", text) if b"\\" in text else text

    def _literal(self) -> bytes:
        if self._at < len(self._line) or self._index + 2 >= len(self._pieces):
            raise SyntaxProblem("Expected a string.")
        literal = self._pieces[self._index + 1]
        self._index += 2
        self._line, self._at = self._pieces[self._index], 0
        if b"\0" in literal:
            raise SyntaxProblem("A literal holds no NUL.")
        return literal

    def nstring(self) -> bytes | None:
        """
        C{nstring}: a string, or C{NIL}.

        @raise SyntaxProblem: neither is next.
        """
        return self.string() if self.may_take(_NIL) is None else None

    def number(self) -> int:
        """
        C{number}

        @raise SyntaxProblem: none is next, or it has more than 32 bits.
        """
        found = _NUMBER.match(self._line, self._at)
        value = MAX_NUMBER + 1 if found is None else int(found[0])
        if found is None or value > MAX_NUMBER:
            raise SyntaxProblem("Expected a number of at most 32 bits.")
        self._at = found.end()
        return value

    def nz_number(self) -> int:
        """
        C{nz-number}

        @raise SyntaxProblem: none is next, or it begins with a zero.
        """
        if self.peek(b"0"):
            raise SyntaxProblem("Expected a number that does not begin with 0.")
        return self.number()

    def number64(self) -> int:
        """
        C{number64}, and so C{mod-sequence-valzer} (RFC 7162 section 7).

        @raise SyntaxProblem: none is next, or it has more than 63 bits.
        """
        found = _NUMBER64.match(self._line, self._at)
        value = _MAX_NUMBER64 + 1 if found is None else int(found[0])
        if found is None or value > _MAX_NUMBER64:
            raise SyntaxProblem("Expected a number of at most 63 bits.")
        self._at = found.end()
        return value

    def sequence_set(self) -> SequenceSet:
        """
        C{sequence-set}; L{SAVED} for C{$}.

        @raise SyntaxProblem: none is next.
        @raise TooLong: it has too many ranges.
        """
        if self.skip(b"$"):
            return SAVED
        return SequenceSet.parse(self.take(_SEQUENCE_SET)[0])

    def enter(self) -> None:
        """
        One level of parentheses, or of operators, deeper.

        @raise TooLong: there are too many.
        """
        self._depth += 1
        if self._depth > limits.IMAP_NESTING:
            raise TooLong(f"Lists nest at most {limits.IMAP_NESTING} levels deep.")

    def leave(self) -> None:
        """
        One level less deep.
        """
        self._depth -= 1

    def list_of(self, reader: Callable[[], T]) -> list[T]:
        """
        A parenthesised list, perhaps an empty one, of what C{reader} reads.

        @raise SyntaxProblem: none is next.
        @raise TooLong: it is nested too deep.
        """
        self.expect(b"(")
        self.enter()
        found: list[T] = []
        while not self.skip(b")"):
            if found:
                self.space()
            found.append(reader())
        self.leave()
        return found

    def name(self, octets: bytes) -> str:
        """
        A mailbox name, or a pattern for such, in its inner form.

        It is in modified UTF-7 (RFC 3501 section 5.1.3), or in UTF-8 where the client has asked for that, and wherever octets
        above 127 say so (RFC 6855 section 3).

        @raise SyntaxProblem: it is not well formed.
        """
        if self._has_utf8_names or not octets.isascii():
            try:
                return swap_separator(octets.decode("utf-8"), self._separator)
            except UnicodeDecodeError:
                raise SyntaxProblem("The mailbox name is not UTF-8.") from None
        return swap_separator(decode_modified_utf7(octets), self._separator)

    def mailbox(self, *, may_end_in_separator: bool = False) -> str:
        """
        C{mailbox}: a name in its inner form (RFC 3501 section 5.1).

        @param may_end_in_separator: it is the name of a mailbox to be made: a separator at the end is passed over (section 6.3.3),
            and in UTF-8 the name must be in normalization form C (RFC 9051 section 6.3.4).
        @raise SyntaxProblem: none is next, or it is not well formed.
        @raise CannotDo: it is not a name a mailbox may have.
        @raise OverLimit: it is too long or too deep.
        """
        octets = self.astring()
        name = self.name(octets)
        if may_end_in_separator:
            # Modified UTF-7 is kept as it is (RFC 3501 section 5.1.3).
            if not octets.isascii() and not unicodedata.is_normalized("NFC", name):
                raise CannotDo("The name of a new mailbox is in normalization form C.")
            if len(name) > 1:
                name = name.removesuffix(SEPARATOR)
        return check_name(name)
