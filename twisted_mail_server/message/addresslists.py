"""
Address lists: RFC 5322 section 3.4 with the obsolete forms of section 4.4.

Reading never fails.  What is missing is C{None}; what cannot be an address is
passed over up to the next comma.  Names keep their encoded words.
"""

from __future__ import annotations

import re

from attrs import define, frozen

from ..model.limits import ADDRESS_TOKENS, ADDRESSES
from .comments import comment_end


@frozen
class Mailbox:
    """
    One mailbox.

    @ivar name: display name, or the comment behind a bare address.
    @ivar route: an obsolete source route, C{@a,@b}.
    @ivar local: local part without its quoting; C{None} when missing.
    @ivar domain: domain or literal; C{None} when missing.
    """

    name: bytes | None
    route: bytes | None
    local: bytes | None
    domain: bytes | None


@frozen
class GroupStart:
    """
    C{name:}, what follows up to L{GroupEnd} belongs to it.
    """

    name: bytes


@frozen
class GroupEnd:
    """
    C{;}
    """


Entry = Mailbox | GroupStart | GroupEnd


@define
class Effort:
    """
    How much more may be read; lists of one message share it, so that a hostile
    one costs no more than a large one.

    @ivar tokens: for what is not of the usual forms.
    """

    tokens: int = ADDRESS_TOKENS


_ATOMS = rb"[^\s()<>\[\]:;@\\,\"]++"
#: Matches the usual forms, one each: name <local@domain>, "name" <local@domain>,
#: local@domain, local@domain (name).  Groups: the name in quotes, or without; the
#: two halves of its address; those of an address without a name; the comment.
USUAL = re.compile(
    rb"[\s,]*+(?:"
    rb"(?:\"([^\"\\\r\n]*+)\"|((?:" + _ATOMS + rb"[ \t]?)*+))\s*+<(" + _ATOMS + rb")@(" + _ATOMS + rb")>|"
    rb"(" + _ATOMS + rb")@(" + _ATOMS + rb")(?:\s*+\(([^()\\\r\n]*+)\))?)"
    rb"\s*+(?:,|\Z)"
).match

# One token; a comment is known by its parenthesis and read to its end.
_TOKEN = re.compile(
    rb"[\s\0]++|"
    rb"(?P<atom>[^\s\0()<>\[\]:;@\\,\"]++)|"
    rb"\"(?P<quoted>(?:[^\"\\]++|\\.)*+)(?:\"|\\?\Z)|"
    rb"(?P<literal>\[(?:[^\[\]\\]++|\\.)*+\])|"
    rb"(?P<comment>\()|"
    rb"(?P<special>[<>:;@,])|"
    rb".",
    re.DOTALL,
)
_FOLD = re.compile(rb"[\r\n]+")
_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_WHITE = re.compile(rb"\s+")


def parse_address_list(value: bytes, most: int = ADDRESSES, effort: Effort | None = None) -> list[Entry]:
    """
    The entries of one field's value, folds and all.

    @param most: no more entries than about that many are read.
    @param effort: what is left of it; the list ends where it does.
    """
    entries: list[Entry] = []
    place, length = 0, len(value)
    while place < length and len(entries) < most:
        found = USUAL(value, place)
        if found is None:
            careful = _Reading(value, place, most - len(entries), effort or Effort())
            return entries + careful.read()
        quoted, plain, local, domain, bare, its_domain, comment = found.groups()
        if local is not None:
            name = quoted if quoted is not None else plain.strip()
            entries.append(Mailbox(name or None, None, local, domain))
        else:
            entries.append(Mailbox((comment or b"").strip() or None, None, bare, its_domain))
        place = found.end()
    return entries


@frozen
class _Token:
    """
    C{kind} is a special itself, or C{word}, C{quoted}, C{literal}; C{spaced}
    tells that white space or a comment stood before it.
    """

    kind: str
    text: bytes
    spaced: bool


class _Reading:
    """
    The careful way, for everything but the usual forms.
    """

    def __init__(self, value: bytes, place: int, most: int, effort: Effort) -> None:
        self._value, self._place, self._most = value, place, most
        self._effort = effort
        self._comment: bytes | None = None
        self._entries: list[Entry] = []
        self._token = self._next()

    def read(self) -> list[Entry]:
        """
        All entries; a group that is never closed is closed.
        """
        grouped = False
        while self._token is not None and len(self._entries) < self._most:
            kind = self._token.kind
            if kind == ",":
                self._advance()
            elif kind == ";":
                if grouped:
                    self._entries.append(GroupEnd())
                grouped = False
                self._advance()
            else:
                grouped = self._address(grouped)
        if grouped:
            self._entries.append(GroupEnd())
        return self._entries

    def _address(self, grouped: bool) -> bool:
        """
        A mailbox, or the beginning of a group; return whether we are in one.
        """
        self._comment = None
        words = self._words()
        kind = self._token.kind if self._token is not None else ""
        if kind == "<":
            self._angle(_phrase(words))
        elif kind == ":":
            self._advance()
            if not grouped:
                self._entries.append(GroupStart(_phrase(words) or b""))
            return True
        elif kind == "@" or words:
            self._bare(words)
        self._skip(",;")
        return grouped

    def _angle(self, name: bytes | None) -> None:
        """
        C{"<" [obs-route] addr-spec ">"}
        """
        self._advance()
        route = self._route()
        words = self._words()
        domain = self._domain()
        self._entries.append(Mailbox(name, route, _local(words), domain))
        self._skip(">,;")
        if self._token is not None and self._token.kind == ">":
            self._advance()

    def _bare(self, words: list[_Token]) -> None:
        """
        An address without brackets; words before the local part are a name.
        """
        split = len(words)
        if self._token is not None and self._token.kind == "@" and words:
            # obs-local-part: word *("." word), with room around the dots.
            split -= 1
            while split and _is_joined(words[split - 1], words[split]):
                split -= 1
        before, local = (words[:split], words[split:]) if split < len(words) else ([], words)
        domain = self._domain()
        name = _phrase(before) or (self._comment or b"").strip() or None
        self._entries.append(Mailbox(name, None, _local(local), domain))

    def _route(self) -> bytes | None:
        """
        C{obs-route = obs-domain-list ":"}
        """
        domains: list[bytes] = []
        while self._token is not None and self._token.kind in "@,":
            if self._token.kind == "@":
                domains.append(b"@" + (self._domain() or b""))
            else:
                self._advance()
        if not domains:
            return None
        if self._token is not None and self._token.kind == ":":
            self._advance()
        return b",".join(domains)

    def _domain(self) -> bytes | None:
        """
        C{"@" domain}, if it is there.
        """
        if self._token is None or self._token.kind != "@":
            return None
        self._advance()
        return b"".join(word.text for word in self._words(literals=True)) or None

    def _words(self, literals: bool = False) -> list[_Token]:
        """
        Words as far as they go; those of a domain hang together by dots.
        """
        words: list[_Token] = []
        while (token := self._token) is not None and len(token.kind) > 1:
            if literals and words and not _is_joined(words[-1], token):
                break
            words.append(token)
            self._advance()
        return words

    def _skip(self, kinds: str) -> None:
        """
        Pass over what is left of this one.
        """
        while self._token is not None and self._token.kind not in kinds:
            self._advance()

    def _advance(self) -> None:
        self._token = self._next()

    def _next(self) -> _Token | None:
        """
        The next token; comments are remembered and passed over.
        """
        spaced = False
        while self._effort.tokens and (found := _TOKEN.match(self._value, self._place)):
            self._effort.tokens -= 1
            self._place = found.end()
            match found.lastgroup:
                case "atom":
                    return _Token("word", found["atom"], spaced)
                case "quoted":
                    return _Token("quoted", _plain(found["quoted"]), spaced)
                case "literal":
                    return _Token("literal", _plain(found["literal"]), spaced)
                case "special":
                    return _Token(found["special"].decode("ascii"), b"", spaced)
                case "comment":
                    start = found.start()
                    self._place = comment_end(self._value, start)
                    inside = self._value[start + 1 : self._place]
                    self._comment = _plain(inside[:-1] if inside.endswith(b")") else inside)
            spaced = True
        return None


def _phrase(words: list[_Token]) -> bytes | None:
    """
    Words joined by one space where there was any.
    """
    return b"".join((b" " if word.spaced else b"") + word.text for word in words).strip() or None


def _local(words: list[_Token]) -> bytes | None:
    """
    A local part; an empty quoted string is one too.
    """
    return b"".join(word.text for word in words) if words else None


def _is_joined(left: _Token, right: _Token) -> bool:
    """
    The two belong to one dotted word.
    """
    return not right.spaced or left.text.endswith(b".") or right.text.startswith(b".")


def _plain(text: bytes) -> bytes:
    """
    Without quoted pairs and folds.
    """
    if b"\n" in text or b"\r" in text:
        text = _FOLD.sub(b"", text)
    return _PAIR.sub(rb"\1", text) if b"\\" in text else text
