"""
Delivery reports: what became of a message, told to its sender.

RFC 3461 says who is to be told what, RFC 6522 gives the frame
(multipart/report), RFC 3464 the fields that programs read, RFC 6533 what is
done where addresses or header are not ASCII.

Whatever another server or the sender said of itself goes in only after
L{_clean}: no line end and no control can come through, so that nobody writes a
field or a part but we.  Everything else is kept from confusing the structure
by its transfer encoding, or by a boundary that does not occur in it.

Only a sender whose own address is not ASCII gets UTF-8 unencoded: with that
address the report travels by SMTPUTF8 anyway.  All others get ASCII, except
for a message/rfc822 of eight bits (RFC 6533 section 4.5).
"""

from __future__ import annotations

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum
from itertools import chain, count

from attrs import frozen

from ..model.addresses import Address
from ..model.envelopes import BodyKind, Envelope, MailOptions, Notify, Recipient, RecipientOptions, Returned
from ..model.limits import (
    DOMAIN,
    REPORT_CONTENT,
    REPORT_DIAGNOSTIC,
    REPORT_HEADER,
    REPORT_LISTED,
    REPORT_WORD,
)
from ..model.queue import QueueId, Result
from .addresstypes import TYPED, embed, original_recipient, typed_address
from .dates import format_date, parse_date
from .headers import first, header_end
from .lines import canonical
from .trace import harmless
from .words import decode_words

#: RFC 5322 section 2.1.1: no line SHOULD be longer, and none MUST be longer.
_WIDTH = 78
#: Words for people leave some room, for quoted-printable and for quotes of it.
_TEXT_WIDTH = 72
_LONG_LINE = re.compile(rb"[^\r\n]{999}")

# status-code = DIGIT "." 1*3DIGIT "." 1*3DIGIT         ; RFC 3464 section 2.3.4
STATUS_CODE = re.compile(r"([245])\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})")
# msg-id = "<" id-left "@" id-right ">"                 ; RFC 5322 section 3.6.4
_MESSAGE_ID = re.compile(rb"<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>")
_WHITE = re.compile(r"\s")


class Kind(Enum):
    """
    What a report tells; the value is the Action field's (RFC 3464 section 2.3.3).
    """

    FAILURE = "failed"
    DELAY = "delayed"
    #: It is in the mailbox.
    SUCCESS = "delivered"
    #: It was taken by a server that does not report.
    RELAYED = "relayed"
    #: It was passed on to everybody for whom an alias stands.
    EXPANDED = "expanded"


#: What must have been asked for, and the status where nothing better is known (RFC 3461 section 6.3 g).
_WISHES = {Kind.FAILURE: Notify.FAILURE, Kind.DELAY: Notify.DELAY}
_UNSPECIFIC = {Kind.FAILURE: "5.0.0", Kind.DELAY: "4.0.0"}
#: Which classes of status go with it: what fails at last may have failed for the moment only.
_CLASSES = {Kind.FAILURE: "45", Kind.DELAY: "4"}


@frozen
class Subject:
    """
    One recipient that a report speaks of.

    @ivar result: how the last try ended, if there was one.
    @ivar attempted: when that was, if it is known.
    """

    recipient: Recipient
    result: Result | None = None
    attempted: datetime | None = None

    @property
    def final(self) -> Address:
        """
        The recipient as the envelope had it when the message came (RFC 3464
        section 2.3.2): where an alias leads stays among us.
        """
        return self.recipient.named or self.recipient.address


def wants(kind: Kind, options: RecipientOptions) -> bool:
    """
    Whether the sender is to be told.

    RFC 3461 sections 5.2.2, 5.2.3, 5.2.5, 5.2.6 and 5.2.7.3.  Where nothing
    was said, failure and delay are told of (section 4.1).
    """
    if options.notify is None:
        return kind in (Kind.FAILURE, Kind.DELAY)
    return _WISHES.get(kind, Notify.SUCCESS) in options.notify


def wants_content(kind: Kind, options: MailOptions, size: int) -> bool:
    """
    Whether the whole message goes back, not only its header.

    RFC 3461 sections 4.3 and 6.2: with failures only, unless RET=HDRS asks for
    the header, and if it is not too large.  Where RET is missing it does, as
    RFC 6522 section 3 says.
    """
    return kind is Kind.FAILURE and options.returned is not Returned.HEADERS and size <= REPORT_CONTENT


def is_reportable(envelope: Envelope) -> bool:
    """
    Whether there is anybody to report to.

    RFC 3461 section 6.1, RFC 5321 section 6.1: nothing is ever sent about a
    report, whose sender is null.  Auto-Submitted (RFC 3834) is no reason for
    silence: it keeps responders from talking to each other, and a mailing
    list, say, wants to know whom it does not reach.
    """
    return envelope.sender is not None


def build_report(
    kind: Kind,
    *,
    envelope: Envelope,
    subjects: Sequence[Subject],
    queue_id: QueueId,
    reporting_mta: str,
    arrived: datetime,
    now: datetime,
    message_id: bytes,
    boundary: bytes,
    original: bytes,
    returns_content: bool,
    retry_until: datetime | None = None,
) -> tuple[bytes, MailOptions]:
    """
    A whole report, and what MAIL has to say of it.

    It goes to C{envelope.sender} from nobody, with NOTIFY=NEVER (RFC 3461
    section 6.1).

    @param subjects: one at least, all of them recipients that L{wants} this.
    @param reporting_mta: our host name.
    @param arrived: when the message came.
    @param message_id: the report's own, angle brackets included.
    @param boundary: letters and digits that nobody could foresee, 50 at most.
    @param original: the message, or its header block, of which the first
        L{REPORT_CONTENT} octets will do.
    @param returns_content: whether C{original} is whole and goes back so; see
        L{wants_content}.  What is too large, or cannot travel inside another
        message, goes back as header only.
    @param retry_until: when a delayed message is given up.
    @raise ValueError: the sender is null.
    """
    sender = envelope.sender
    if sender is None:
        raise ValueError("Nobody is told of a report's fate.")
    is_wide = not sender.is_ascii
    # More of a header is not looked at, and what is larger does not go back whole.
    header = original[: header_end(original, 0, min(len(original), REPORT_CONTENT))]
    telling = _Telling(kind, subjects, queue_id, _host(reporting_mta), arrived, retry_until)
    parts = [
        _text_part("\r\n".join(telling.lines(header)) + "\r\n"),
        _status_part(telling, envelope.options.envid, is_wide),
        *_returned_part(original, header, returns_content, envelope.options.is_utf8, is_wide),
    ]
    body = b"".join(parts)
    mark = next(mark for mark in _boundaries(boundary) if b"--" + mark not in body)
    content = [
        _field("From", f"MAILER-DAEMON <postmaster@{telling.host}>"),
        b"To: " + _word(str(sender)) + b"\r\n",
        _field("Subject", telling.subject()),
        _field("Date", format_date(now).decode("ascii")),
        b"Message-ID: " + message_id + b"\r\n",
        *_threading(header),
        b"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n",
        _multipart(parts, mark),
    ]
    is_ascii = body.isascii() and not is_wide
    return b"".join(content), MailOptions(BodyKind.SEVEN_BIT if is_ascii else BodyKind.EIGHT_BIT, is_utf8=is_wide)


def _multipart(parts: Sequence[bytes], boundary: bytes) -> bytes:
    """
    The frame (RFC 6522 section 3): the end of the header, and the parts; the
    report's type is the second part's.
    """
    is_global = parts[1].startswith(b"Content-Type: message/global-")
    report_type = b"global-delivery-status" if is_global else b"delivery-status"
    return b"".join(
        [
            b'Content-Type: multipart/report; report-type=%b;\r\n\tboundary="%b"\r\n' % (report_type, boundary),
            # RFC 2045 section 6.4: what holds eight bits says so.
            b"" if all(part.isascii() for part in parts) else b"Content-Transfer-Encoding: 8bit\r\n",
            b"\r\n",
            *(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts),
            b"--" + boundary + b"--\r\n",
        ]
    )


# --- the words for people ------------------------------------------------------------------------------------------

_OUTCOMES = {
    Kind.FAILURE: ("could not be delivered", "could not be delivered to:"),
    Kind.DELAY: ("is delayed", "has not reached the following yet:"),
    Kind.SUCCESS: ("was delivered", "was delivered to:"),
    Kind.RELAYED: ("was passed on", "was passed on for:"),
    Kind.EXPANDED: ("was passed on", "was delivered, and passed on to everybody who is behind:"),
}

#: What can be done, by status without its class, then by subject only (RFC 3463 section 3).
_ADVICE = {
    "1.": "Please check the address. If it is spelled as it should be, ask the recipient in another way for the one "
    "that is good today.",
    "2.2": "The mailbox is full. Only its owner can make room; you may try again in some days.",
    "2.3": "The message is larger than the mailbox takes. You may send it in parts, or a link in place of attachments.",
    "3.4": "The message is larger than the other server takes. You may send it in parts, or a link in place of "
    "attachments.",
    "4.": "The server on the recipient's side could not be reached, or did not take the message. Please check what is "
    "behind the @ in the address, and try again later.",
    "6.": "The message is of a form that the other server does not take. Plain text, or simpler names of addresses, "
    "will get through more easily.",
    "7.": "The message was refused as a matter of policy. What was said above may tell why; if it does not, the "
    "recipient or the postmaster of the recipient's side may know.",
}
_FURTHER = {
    Kind.FAILURE: "No more tries are made.",
    Kind.RELAYED: "The server that has it now does not confirm delivery. Unless delivery fails, you will hear no more "
    "of it.",
    Kind.EXPANDED: "You will hear of it again only if it does not reach one of them.",
}


@frozen
class _Telling:
    """
    What there is to tell.
    """

    kind: Kind
    subjects: Sequence[Subject]
    queue_id: QueueId
    host: str
    arrived: datetime
    retry_until: datetime | None

    def subject(self) -> str:
        """
        The Subject field, in ASCII.
        """
        final = str(self.subjects[0].final)
        outcome = _OUTCOMES[self.kind][0]
        if len(self.subjects) > 1:
            return f"Your message to {len(self.subjects)} recipients {outcome}"
        return f"Your message to {final} {outcome}" if final.isascii() else f"Your message {outcome}"

    def lines(self, header: bytes) -> Iterator[str]:
        """
        The first part (RFC 6522 section 3): what happened, to whom, why, and
        what can be done.
        """
        yield from _paragraph(
            f"This is the mail server at {self.host}. Nobody wrote this report, and no answer to it is needed."
        )
        yield from _paragraph(f"Your message{_described(header)} {_OUTCOMES[self.kind][1]}")
        for subject in self.subjects[:REPORT_LISTED]:
            yield from self._said(subject)
        if len(self.subjects) > REPORT_LISTED:
            yield from _paragraph(f"... and {len(self.subjects) - REPORT_LISTED} more, who are listed below.")
        yield from _paragraph(self._further())
        for advice in self._advice():
            yield from _paragraph(advice)
        yield from _paragraph(
            f"If you write to postmaster@{self.host} about it, please give the number by which we know the message: "
            f"{self.queue_id}"
        )
        yield from _wrapped("What follows is the same once more for programs, then your message or its header.")

    def _said(self, subject: Subject) -> Iterator[str]:
        """
        One recipient, and what was said.
        """
        yield from _wrapped(f"<{_clean(str(subject.final), REPORT_WORD)}>", "  ")
        if self.kind in _UNSPECIFIC:
            said = _diagnostic(subject)[1]
            if said and subject.result is not None and subject.result.remote:
                yield from _wrapped(f"The server {_clean(subject.result.remote, DOMAIN)} said:", "    ")
            yield from _wrapped(said, "    ")
        yield ""

    def _further(self) -> str:
        """
        What happens next.
        """
        if self.kind is not Kind.DELAY:
            return _FURTHER.get(self.kind, "")
        until = f" until {format_date(self.retry_until).decode('ascii')}" if self.retry_until else ""
        return f"We go on trying{until}, and tell you if it cannot be done. You need not send the message again."

    def _advice(self) -> list[str]:
        """
        What can be done, each piece of advice once.
        """
        if self.kind is not Kind.FAILURE:
            return []
        details = (_status(self.kind, subject.result).partition(".")[2] for subject in self.subjects)
        found = (_ADVICE.get(detail) or _ADVICE.get(detail[:2]) for detail in dict.fromkeys(details))
        return list(dict.fromkeys(advice for advice in found if advice is not None))


def _described(header: bytes) -> str:
    """
    The message as its sender knows it: subject and date.
    """
    subject, date = first(header, b"Subject"), first(header, b"Date")
    moment = parse_date(date.value) if date is not None else None
    text = _clean(decode_words(subject.value), 200) if subject is not None else ""
    told = f' "{text}"' if text else ""
    return f"{told} of {format_date(moment).decode('ascii')}" if moment is not None else told


def _text_part(text: str) -> bytes:
    """
    Text as a part, encoded where it has to be.
    """
    if text.isascii():
        return b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + text.encode("ascii")
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head + b2a_qp(text.encode("utf-8"))


def _paragraph(text: str) -> Iterator[str]:
    """
    Lines with an empty one behind them; nothing for nothing.
    """
    if text:
        yield from _wrapped(text)
        yield ""


def _wrapped(text: str, indent: str = "") -> Iterator[str]:
    """
    Words in lines; a long word gets a line of its own.
    """
    line = ""
    for word in text.split():
        if line and len(indent) + len(line) + 1 + len(word) > _TEXT_WIDTH:
            yield indent + line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield indent + line


# --- the fields for programs ---------------------------------------------------------------------------------------


def _status_part(telling: _Telling, envid: str, is_wide: bool) -> bytes:
    """
    The second part (RFC 3464 section 2.1, RFC 6533 section 4.1).
    """
    groups = [_message_fields(telling, envid, is_wide)]
    groups += (_recipient_fields(telling, subject, is_wide) for subject in telling.subjects)
    body = b"\r\n".join(groups)
    if body.isascii():
        return b"Content-Type: message/delivery-status\r\n\r\n" + body
    return b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body


def _message_fields(telling: _Telling, envid: str, is_wide: bool) -> bytes:
    """
    C{per-message-fields} (RFC 3464 section 2.2).
    """
    name_type = "dns" if "." in telling.host or telling.host.startswith("[") else "x-local-hostname"
    return b"".join(
        [
            b"Original-Envelope-Id: " + _word(envid, is_wide) + b"\r\n" if envid else b"",
            _field("Reporting-MTA", f"{name_type}; {telling.host}"),
            _field("X-Twisted-Mail-Server-Queue-Id", str(telling.queue_id)),
            _field("Arrival-Date", format_date(telling.arrived).decode("ascii")),
        ]
    )


def _recipient_fields(telling: _Telling, subject: Subject, is_wide: bool) -> bytes:
    """
    C{per-recipient-fields} (RFC 3464 section 2.3; RFC 3461 section 6.3).
    """
    kind, orcpt = telling.kind, subject.recipient.options.orcpt
    made = [b"Original-Recipient: " + _word(original_recipient(orcpt, is_wide)) + b"\r\n"] if orcpt else []
    made += [
        b"Final-Recipient: " + _word(typed_address("rfc822", str(subject.final), is_wide)) + b"\r\n",
        _field("Action", kind.value),
        _field("Status", _status(kind, subject.result)),
    ]
    if subject.result is not None and subject.result.remote:
        made.append(_field("Remote-MTA", f"dns; {harmless(subject.result.remote)}"))
    diagnostic_type, text = _diagnostic(subject)
    if text and kind in _UNSPECIFIC:
        made.append(_field("Diagnostic-Code", f"{diagnostic_type}; {text}", is_wide))
    if subject.attempted is not None:
        made.append(_field("Last-Attempt-Date", format_date(subject.attempted).decode("ascii")))
    if telling.retry_until is not None and kind is Kind.DELAY:
        made.append(_field("Will-Retry-Until", format_date(telling.retry_until).decode("ascii")))
    return b"".join(made)


def _status(kind: Kind, result: Result | None) -> str:
    """
    The status code, if there is one that goes with what is told.
    """
    found = STATUS_CODE.fullmatch(result.status) if result is not None else None
    return found[0] if found and found[1] in _CLASSES.get(kind, "2") else _UNSPECIFIC.get(kind, "2.0.0")


def _diagnostic(subject: Subject) -> tuple[str, str]:
    """
    Type and text of Diagnostic-Code (RFC 3464 section 2.3.6); what we say
    ourselves has a type of our own.
    """
    result = subject.result
    said = result.diagnostic if result is not None else ""
    found = TYPED.fullmatch(said)
    if found is not None:
        return found[1], _clean(found[2])
    if said:
        return "smtp", _clean(said)
    return "x-twisted-mail-server", _clean(result.detail if result is not None else subject.recipient.refusal)


# --- what comes back -----------------------------------------------------------------------------------------------


def _returned_part(
    original: bytes, header: bytes, returns_content: bool, is_utf8: bool, is_wide: bool
) -> Iterator[bytes]:
    """
    The third part, if there is anything to return (RFC 6522 sections 3 and 4,
    RFC 6533 sections 4.2 to 4.5).
    """
    is_global = is_utf8 and not header.isascii()
    if returns_content and len(original) <= REPORT_CONTENT and original:
        content = canonical(original)
        kind = b"message/global" if is_global else b"message/rfc822"
        if _can_travel(content) and (is_wide or not is_global):
            yield _plain_part(kind, content)
            return
        if is_global:
            # RFC 6532 section 3.7 lets this one be encoded, unlike message/rfc822.
            yield _head(kind, b"base64") + encodebytes(content).replace(b"\n", b"\r\n")
            return
    block = _bounded(canonical(header).rstrip(b"\r\n"))
    if block:
        kind = b"message/global-headers" if is_global else b"text/rfc822-headers"
        if _can_travel(block) and (block.isascii() or (is_wide and is_global)):
            yield _plain_part(kind, block)
        else:
            yield _head(kind, b"quoted-printable") + b2a_qp(block)


def _plain_part(kind: bytes, content: bytes) -> bytes:
    return _head(kind, b"" if content.isascii() else b"8bit") + content


def _head(kind: bytes, encoding: bytes) -> bytes:
    encoded = b"Content-Transfer-Encoding: %b\r\n" % encoding if encoding else b""
    return b"Content-Type: %b\r\n%b\r\n" % (kind, encoded)


def _bounded(block: bytes) -> bytes:
    """
    As much of a header as is returned, in whole lines, with a line end.
    """
    if len(block) > REPORT_HEADER:
        block = block[: max(0, block.rfind(b"\r\n", 0, REPORT_HEADER))]
    return block + b"\r\n" if block else b""


def _can_travel(content: bytes) -> bool:
    """
    Whether it is 7bit or 8bit (RFC 2045 section 2.7 and 2.8).
    """
    return b"\0" not in content and _LONG_LINE.search(content) is None


def _threading(header: bytes) -> Iterator[bytes]:
    """
    What lets the report appear beside the message (RFC 3834 section 3.1.6).
    """
    field = first(header, b"Message-ID")
    if field is not None and _MESSAGE_ID.fullmatch(field.text):
        yield b"In-Reply-To: %b\r\nReferences: %b\r\n" % (field.text, field.text)


def _boundaries(boundary: bytes) -> Iterator[bytes]:
    """
    That boundary, or if it will not do another one.
    """
    return chain([boundary], (b"%b.%d" % (boundary, number) for number in count()))


# --- words and fields ----------------------------------------------------------------------------------------------


def _clean(text: str, most: int = REPORT_DIAGNOSTIC) -> str:
    """
    One line of printable text, spaces collapsed.
    """
    text = " ".join(text[: 2 * most].split())
    if len(text) > most:
        text = text[:most] + "..."
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def _host(name: str) -> str:
    return harmless(name)[:DOMAIN] or "localhost"


def _word(text: str, is_wide: bool = True) -> bytes:
    """
    Text whose every space counts, on one line that is not too long.
    """
    text = _WHITE.sub(" ", text)
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    if not is_wide:
        text = embed(text)
    octets = text.encode("utf-8")
    return octets if len(octets) <= REPORT_WORD else octets[:REPORT_WORD].decode("utf-8", "ignore").encode("utf-8")


def _field(name: str, value: str, is_wide: bool = False) -> bytes:
    """
    A field, folded between words.
    """
    words = _word(value, is_wide).split()
    lines: list[bytes] = []
    line = name.encode("ascii") + b": " + words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = b""
        line += b" " + word
    return b"\r\n".join([*lines, line]) + b"\r\n"
