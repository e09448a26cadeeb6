"""
Names in a Maildir: of files, which carry the flags, and of folders, which carry the mailbox.

Dovecot's manual ("Maildir") is the specification that everybody follows: it took over what Maildir++ (Courier) and the original
(D. J. Bernstein, maildir(5)) say.  Pure: names in, names out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from attrs import frozen

from twisted_mail_server.model.errors import SyntaxProblem
from twisted_mail_server.model.flags import check_keyword
from twisted_mail_server.model.mailboxes import INBOX, SEPARATOR, check_name, encode_modified_utf7

#: What stands between a name and its flags.
_INFO = ":2,"

#: Flags by their letters; C{P} (passed) is what IMAP calls $Forwarded (RFC 9051 section 2.3.2).
LETTERS = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}
_LETTER_OF = {flag.lower(): letter for letter, flag in LETTERS.items()}

#: A folder's keywords take the letters from C{a} on.
MOST_KEYWORDS = 26

#: Which keyword has which letter in a folder, as Dovecot writes it: C{0 $Label1}.
KEYWORDS_FILE = "dovecot-keywords"

_DELIVERED = re.compile(r"([0-9]{1,11})\.")
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


@frozen
class FileName:
    """
    What the name of a message file says.
    """

    #: The part that never changes.
    unique: str
    #: The letters after C{:2,}.
    letters: str = ""

    @classmethod
    def parse(cls, name: str) -> FileName:
        """
        Any name is one; what stands after another kind of info is no flags.
        """
        unique, colon, info = name.partition(":")
        return cls(unique, info[2:].partition(",")[0] if colon and info.startswith("2,") else "")

    @property
    def delivered(self) -> int | None:
        """
        When it was delivered, as its first part says, seconds since 1970.
        """
        found = _DELIVERED.match(self.unique)
        return int(found[1]) if found else None

    def flags(self, keywords: Sequence[str]) -> tuple[str, ...]:
        """
        What its letters mean in a folder with these keywords; letters without a meaning have none.
        """
        found: dict[str, None] = {}
        for letter in self.letters:
            place = ord(letter) - ord("a")
            if letter in LETTERS:
                found[LETTERS[letter]] = None
            elif 0 <= place < len(keywords) and keywords[place]:
                found[keywords[place]] = None
        return tuple(found)

    def __str__(self) -> str:
        return f"{self.unique}{_INFO}{self.letters}"


def write_letters(flags: Sequence[str], keywords: Sequence[str]) -> str:
    """
    The letters of flags, in their order; a keyword that is none of C{keywords} has no letter.
    """
    places = {keyword.lower(): chr(ord("a") + place) for place, keyword in enumerate(keywords[:MOST_KEYWORDS])}
    letters = {_LETTER_OF.get(flag.lower()) or places.get(flag.lower(), "") for flag in flags}
    return "".join(sorted(letters))


def learn_keywords(keywords: Sequence[str], flags: Sequence[str]) -> list[str]:
    """
    A folder's keywords with those of C{flags} that were not among them, as far as there are letters.
    """
    learnt = list(keywords)
    known = {keyword.lower() for keyword in learnt}
    for flag in flags:
        key = flag.lower()
        if key not in known and key not in _LETTER_OF and not flag.startswith("\\") and len(learnt) < MOST_KEYWORDS:
            known.add(key)
            learnt.append(flag)
    return learnt


def parse_keywords(text: bytes) -> list[str]:
    """
    The keywords of a folder, by the place of their letter; an empty one where there is none.  What is no keyword is left out.
    """
    found: dict[int, str] = {}
    for line in text.splitlines():
        number, _, name = line.partition(b" ")
        if not number.isdigit() or len(number) > 2 or int(number) >= MOST_KEYWORDS:
            continue
        try:
            found[int(number)] = check_keyword(name.decode("ascii"))
        except (UnicodeDecodeError, SyntaxProblem):
            continue
    return [found.get(place, "") for place in range(max(found, default=-1) + 1)]


def write_keywords(keywords: Sequence[str]) -> bytes:
    """
    The file of a folder's keywords.
    """
    return "".join(f"{place} {keyword}\n" for place, keyword in enumerate(keywords) if keyword).encode("ascii")


def mailbox_of_folder(folder: str) -> str:
    """
    The mailbox that a Maildir++ folder (C{.Lists.Cooking}) is.

    @raise MailError: it is no name that a mailbox may have.
    """
    return check_name(SEPARATOR.join(_read_level(level) for level in folder.removeprefix(".").split(".")))


def mailbox_of_path(path: str) -> str:
    """
    The mailbox that a folder in folders (C{Lists/Cooking}) is.

    @raise MailError: it is no name that a mailbox may have.
    """
    return check_name(SEPARATOR.join(_read_level(level) for level in path.split("/")))


def folder_of_mailbox(name: str) -> str:
    """
    The Maildir++ folder of a mailbox, empty for INBOX.  A dot inside a level is shifted (C{&AC4-}), for it would part levels.
    """
    if name == INBOX:
        return ""
    levels = name.split(SEPARATOR)
    return "." + ".".join(encode_modified_utf7(level).decode("ascii").replace(".", "&AC4-") for level in levels)


def _read_level(level: str) -> str:
    """
    One level in modified UTF-7 (RFC 3501 section 5.1.3), or as it stands where it is none: some servers write UTF-8.
    """
    try:
        return _SHIFTED.sub(_unshift, level)
    except (binascii.Error, UnicodeDecodeError):
        return level


def _unshift(found: re.Match[str]) -> str:
    packed = found[1].replace(",", "/")
    if not packed:
        return "&"
    return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode("utf-16-be")
