"""
What a hook may answer, and what all answers of a stage come to.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence

from attrs import evolve, field, frozen

from .addresses import Address
from .errors import MailError, SyntaxProblem

#: A reply code, an enhanced code or none, and a text: C{550 5.7.1 Not here.}
_REPLY = re.compile(r"([245][0-9]{2})(?:[ -](?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$))?(.*))?", re.DOTALL)
# field-name = 1*ftext; ftext = %d33-57 / %d59-126    ; RFC 5322 section 3.6.8
_NAME = re.compile(r"[!-9;-~]{1,200}")
_LINE_ENDS = re.compile(r"[\r\n\x00]+[ \t]*")
_PLAIN = re.compile(r"[\t\x20-\x7e]*")
#: Characters of an encoded word: at four octets each it has 72 characters, and 75 are allowed (RFC 2047 section 2).
_WORD = 11
#: Octets of a line without its end (RFC 5322 section 2.1.1).
_LINE = 998


def _address(found: Address | str) -> Address:
    return found if isinstance(found, Address) else Address.parse(found)


@frozen
class Accept:
    """
    Nothing speaks against it; the next hook is asked.  C{None} says the same.
    """


@frozen
class Defer:
    """
    Not now: the peer may try again.
    """

    text: str = "Please try again later."
    code: int = 451
    enhanced: str = "4.7.1"


@frozen
class Reject:
    """
    Never.
    """

    text: str = "This is not wanted here."
    code: int = 550
    enhanced: str = "5.7.1"


@frozen
class Quarantine:
    """
    Into the Junk mailbox; for recipients elsewhere: it is held in the queue until an operator releases it.
    """

    reason: str


@frozen
class AddFields:
    """
    Put header fields on top of the message, each a name and a value.
    """

    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, name: str, value: str) -> AddFields:
        """
        One field.
        """
        return cls(((name, value),))


@frozen
class Redirect:
    """
    To another address instead: this recipient, or where the stage knows no recipient yet, the whole message.
    """

    address: Address = field(converter=_address)


@frozen
class Taken:
    """
    The hook has taken it over and keeps it safe, or has thrown it away: nobody else gets it.
    """

    text: str = "taken by a plugin"


Verdict = Accept | Defer | Reject | Quarantine | AddFields | Redirect | Taken

#: What a hook may return: a verdict, several, nothing, or a reply as C{aiosmtpd} writes it.
Answer = Verdict | Sequence[Verdict] | str | None


class Denied(MailError):
    """
    A hook said no, or not now.
    """

    def __init__(self, verdict: Defer | Reject) -> None:
        super().__init__(verdict.text)
        self.code, self.enhanced = verdict.code, verdict.enhanced


@frozen
class Decision:
    """
    All that hooks have decided so far, but for a refusal, which is raised.
    """

    #: Why it goes to Junk; empty if it does not.
    quarantine: str = ""
    #: Header fields for the top of the message, whole lines.
    added: bytes = b""
    redirect: Address | None = None
    #: What a hook that took it said; empty if none did.
    taken: str = ""

    def with_verdict(self, verdict: Verdict) -> Decision:
        """
        After one more verdict.  The first redirect and the first reason count; fields stand in the order of the hooks.

        @raise Denied: it is a refusal.
        @raise SyntaxProblem: a field to be added cannot be one.
        """
        match verdict:
            case Defer() | Reject():
                raise Denied(verdict)
            case Quarantine():
                return evolve(self, quarantine=self.quarantine or verdict.reason or "quarantined")
            case AddFields():
                return evolve(self, added=self.added + b"".join(write_field(*one) for one in verdict.fields))
            case Redirect():
                return evolve(self, redirect=self.redirect or verdict.address)
            case Taken():
                return evolve(self, taken=self.taken or verdict.text or "taken")
            case Accept():
                return self
        raise TypeError(f"{verdict!r} is no verdict.")

    def __or__(self, later: Decision) -> Decision:
        """
        This, and what was decided later.
        """
        if later is UNDECIDED or self is UNDECIDED:
            return self if later is UNDECIDED else later
        return Decision(
            self.quarantine or later.quarantine,
            self.added + later.added,
            self.redirect or later.redirect,
            self.taken or later.taken,
        )


#: No hook had anything to say.
UNDECIDED = Decision()


def verdicts(answer: Answer) -> Iterable[Verdict]:
    """
    The verdicts in what a hook returned.

    @raise SyntaxProblem: it is a text that is no reply.
    """
    if answer is None:
        return ()
    if isinstance(answer, str):
        return (read_reply(answer),)
    return answer if isinstance(answer, list | tuple) else (answer,)


def read_reply(text: str) -> Accept | Defer | Reject:
    """
    A reply as C{aiosmtpd} writes it, C{550 5.7.1 Not here}, as a verdict.

    @raise SyntaxProblem: it is none.
    """
    found = _REPLY.fullmatch(text.strip())
    if found is None or (found[2] is not None and found[2][0] != text.strip()[0]):
        raise SyntaxProblem(f"{text[:100]!r} is no SMTP reply.")
    code = int(found[1])
    if code < 400:
        return Accept()
    kind = Reject if code >= 500 else Defer
    said = " ".join((found[3] or "").split()) or kind().text
    return kind(said, code, found[2] or f"{found[1][0]}.0.0")


def write_field(name: str, value: str) -> bytes:
    """
    A header field with its line end.  Line ends in the value become folds (RFC 5322 section 2.2.3); a line that is not plain ASCII
    becomes encoded words (RFC 2047), so that the message can go anywhere.

    @raise SyntaxProblem: the name is none, or a line is too long.
    """
    if not _NAME.fullmatch(name):
        raise SyntaxProblem(f"{name[:100]!r} is no name of a header field.")
    lines = [_written(line) for line in _LINE_ENDS.split(value) if line.strip()] or [""]
    octets = (f"{name}: " + "\r\n\t".join(lines)).encode("ascii")
    if any(len(line) > _LINE for line in octets.split(b"\r\n")):
        raise SyntaxProblem(f"A line of the field {name} is too long.")
    return octets + b"\r\n"


def _written(line: str) -> str:
    if _PLAIN.fullmatch(line):
        return line
    words = (line[at : at + _WORD].encode("utf-8", "replace") for at in range(0, len(line), _WORD))
    return "\r\n\t".join(f"=?utf-8?b?{b64encode(word).decode('ascii')}?=" for word in words)
