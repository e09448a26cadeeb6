"""
One message on its way to another server: from MAIL to the reply to its content (RFC 5321 section 3.3).

Where the server takes groups of commands (RFC 2920), everything up to DATA is one piece, and the content another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from attrs import define, field

from ...message.lines import Stuffing, canonical
from ...model.addresses import Address, quote_local_part
from ...model.envelopes import Recipient
from ...model.errors import SyntaxProblem
from ...model.queue import Outcome, Result
from ...model.replies import Reply
from .client_conversation import USAGES, ClientConversation
from .client_events import ContentWanted, MailFinished
from .client_replies import Stage, outcome_of
from .vocabulary import OutgoingMail

#: What can stand in no command.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")
_BAD_SENDER = Reply(553, "The sender's address cannot be written in a command.", "5.1.7")
_BAD_RECIPIENT = Reply(553, "The address cannot be written in a command.", "5.1.3")
#: What a server says that wants no more recipients in this transaction; some still use 552 as in RFC 821
#: (RFC 5321 section 4.5.3.1.10).
_TOO_MANY = frozenset(((452, ""), (452, "4.5.3"), (552, ""), (552, "5.5.3")))
#: RFC 5321 section 4.5.3.2.6.
TWICE = "; the whole message had been sent, so it may arrive twice"


@define(eq=False)
class Lines:
    """
    Content with CRLF at every line end, the last one too.

    What is in the queue is so already; a CR or LF that came by another way must not be sent, for the next server might take
    it for a line end, and what follows for commands (RFC 5321 section 2.3.8).
    """

    #: A CR that may be half of a line end, and the last two octets that went out.
    _held: bytes = field(default=b"", init=False)
    _last: bytes = field(default=b"\r\n", init=False)

    def add(self, piece: bytes, is_last: bool) -> bytes:
        """
        The next piece.
        """
        data = self._held + piece if self._held else piece
        self._held = b""
        if not is_last and data.endswith(b"\r"):
            self._held, data = b"\r", data[:-1]
        data = canonical(data)
        self._last = (self._last + data[-2:])[-2:]
        return data + b"\r\n" if is_last and self._last != b"\r\n" else data


@define(eq=False)
class Transfer:
    """
    One message, one transaction.
    """

    _conversation: ClientConversation
    _mail: OutgoingMail
    #: Told at the end, and whether RSET must be said before anything else.
    _done: Callable[[bool], None]
    #: The recipients that RCPT is said for, and how many RCPT were answered.
    _asked: list[tuple[int, bytes]] = field(factory=list, init=False)
    _answered: int = field(default=0, init=False)
    _accepted: list[int] = field(factory=list, init=False)
    _postponed: list[int] = field(factory=list, init=False)
    _results: dict[int, Result] = field(factory=dict, init=False)
    _is_refused: bool = field(default=False, init=False)
    #: Whether content by BDAT was refused: what is left of it is not sent.
    _is_content_refused: bool = field(default=False, init=False)
    #: Whether DATA was answered with 354 and the end of the content was not sent.
    is_sending: bool = field(default=False, init=False)
    #: Whether all of the content was sent.
    is_sent: bool = field(default=False, init=False)
    _lines: Lines = field(factory=Lines, init=False)
    _stuffing: Stuffing = field(factory=Stuffing, init=False)

    def start(self) -> None:
        """
        Say MAIL, and what may go with it; or nothing, if the server cannot have the message anyway.
        """
        mail, offers = self._mail, self._conversation.offers
        command, refusal = _write_mail(self._conversation, mail)
        for number, recipient in mail.recipients:
            line, problem = _write_recipient(self._conversation, mail, recipient)
            problem = refusal or problem
            if problem is None:
                self._asked.append((number, line))
            else:
                self._add(self._report_refusal(number, problem))
        if not self._asked:
            self._finish(needs_reset=False)
            return
        self._conversation.command(command, Stage.MAIL, self._mail_answered)
        if offers.takes_groups:
            for number, line in self._asked:
                self._say_recipient(number, line)
            if not offers.takes_chunks:
                self._conversation.command(b"DATA", Stage.DATA, self._data_answered)

    def write(self, piece: bytes, *, is_last: bool) -> None:
        """
        The piece of content that was wanted; nothing happens if it is not wanted any more.
        """
        conversation = self._conversation
        if self._is_content_refused:
            return
        data = self._lines.add(piece, is_last)
        self.is_sent = is_last
        if conversation.offers.takes_chunks:
            command = b"BDAT %d%s" % (len(data), b" LAST" if is_last else b"")
            conversation.command(command, Stage.CONTENT, partial(self._chunk_answered, is_last))
            conversation.said.append(data)
            if not is_last and conversation.offers.takes_groups:
                conversation.events.append(ContentWanted())
            return
        conversation.said.append(self._stuffing.add(data))
        if not is_last:
            conversation.events.append(ContentWanted())
            return
        self.is_sending = False
        conversation.said.append(self._stuffing.end())
        if conversation.wishes.is_lmtp:
            for number in self._accepted:
                conversation.expect(Stage.CONTENT, partial(self._recipient_delivered, number))
        else:
            conversation.expect(Stage.CONTENT, self._content_answered)

    def stop(self, outcome: Outcome, text: str, status: str, reply: Reply | None) -> None:
        """
        The session is over: so it is for every recipient that has no result yet.
        """
        stage = self._conversation.awaited or Stage.CONTENT
        self._postponed.clear()
        for number, _ in self._mail.recipients:
            if number in self._results:
                continue
            if reply is not None:
                self._add(self._conversation.report(number, outcome, reply, stage))
            else:
                words = text + TWICE if self.is_sent and number in self._accepted else text
                self._add(self._conversation.report_own(number, outcome, words, status))
        self._finish(needs_reset=False)

    def answer_early(self, reply: Reply) -> None:
        """
        A refusal amid the content, which then need not be sent; but nothing else can be, either.
        """
        self._settle(self._accepted, reply, Stage.CONTENT)
        self._finish(needs_reset=False)

    # Replies.

    def _mail_answered(self, reply: Reply) -> None:
        groups = self._conversation.offers.takes_groups
        if _is_yes(reply):
            if not groups:
                self._say_recipient(*self._asked[0])
            return
        self._is_refused = True
        self._settle((number for number, _ in self._asked), reply, Stage.MAIL)
        if not groups:
            self._finish(needs_reset=False)

    def _say_recipient(self, number: int, line: bytes) -> None:
        self._conversation.command(line, Stage.RCPT, partial(self._recipient_answered, number))

    def _recipient_answered(self, number: int, reply: Reply) -> None:
        self._answered += 1
        if self._is_refused:
            pass
        elif _is_yes(reply):
            self._accepted.append(number)
        elif self._accepted and (reply.code, reply.enhanced) in _TOO_MANY:
            self._postponed.append(number)
        else:
            self._settle((number,), reply, Stage.RCPT)
        offers = self._conversation.offers
        if self._answered < len(self._asked):
            if not offers.takes_groups:
                self._say_recipient(*self._asked[self._answered])
        elif offers.takes_groups and not offers.takes_chunks:
            # The reply to DATA is due.
            return
        elif not self._accepted:
            self._finish(needs_reset=not self._is_refused)
        elif offers.takes_chunks:
            self._conversation.events.append(ContentWanted())
        else:
            self._conversation.command(b"DATA", Stage.DATA, self._data_answered)

    def _data_answered(self, reply: Reply) -> None:
        if reply.code // 100 == 3:
            if self._accepted:
                self.is_sending = True
                self._conversation.events.append(ContentWanted())
            else:
                # RFC 2920 section 3.1: DATA was accepted although no recipient was.
                self._conversation.command(b".", Stage.CONTENT, lambda reply: self._finish(needs_reset=False))
            return
        if _is_yes(reply):
            raise SyntaxProblem("DATA was answered as if there had been content.")
        self._settle(self._accepted, reply, Stage.DATA)
        self._finish(needs_reset=not self._is_refused)

    def _content_answered(self, reply: Reply) -> None:
        self._settle(self._accepted, reply, Stage.CONTENT)
        self._finish(needs_reset=False)

    def _recipient_delivered(self, number: int, reply: Reply) -> None:
        self._settle((number,), reply, Stage.CONTENT)
        if number == self._accepted[-1]:
            self._finish(needs_reset=False)

    def _chunk_answered(self, is_last: bool, reply: Reply) -> None:
        conversation = self._conversation
        if self._is_content_refused:
            pass
        elif is_last:
            self._settle(self._accepted, reply, Stage.CONTENT)
        elif not _is_yes(reply):
            self._is_content_refused = True
            _forget_wanted(conversation)
            self._settle(self._accepted, reply, Stage.CONTENT)
        elif not conversation.offers.takes_groups:
            conversation.events.append(ContentWanted())
        if self._is_content_refused:
            if not conversation.expected:
                self._finish(needs_reset=True)
        elif is_last:
            self._finish(needs_reset=False)

    # Results.

    def _settle(self, numbers: Iterable[int], reply: Reply, stage: Stage) -> None:
        outcome = Outcome.RELAYED if _is_yes(reply) else outcome_of(reply)
        assert outcome is not None
        for number in numbers:
            self._add(self._conversation.report(number, outcome, reply, stage))

    def _report_refusal(self, number: int, refusal: Reply) -> Result:
        outcome = Outcome.FAILED if refusal.code >= 500 else Outcome.DEFERRED
        return self._conversation.report_own(number, outcome, refusal.text, refusal.enhanced)

    def _add(self, result: Result) -> None:
        self._results[result.number] = result

    def _finish(self, *, needs_reset: bool) -> None:
        self.is_sending = False
        _forget_wanted(self._conversation)
        results = tuple(self._results[number] for number, _ in self._mail.recipients if number in self._results)
        self._conversation.events.append(MailFinished(results, tuple(self._postponed)))
        self._done(needs_reset)


def _is_yes(reply: Reply) -> bool:
    """
    Whether it is a 2xx reply.

    @raise SyntaxProblem: it is a 3xx one, which makes no sense here.
    """
    if reply.code // 100 == 3:
        raise SyntaxProblem(f"{reply.code} is no answer to this.")
    return reply.code < 300


def _forget_wanted(conversation: ClientConversation) -> None:
    wanted = ContentWanted()
    while wanted in conversation.events:
        conversation.events.remove(wanted)


def _write_path(address: Address | None) -> str:
    """
    C{<Postmaster>} is the one address that has no domain (RFC 5321 section 4.1.1.3).
    """
    if address is None:
        return "<>"
    return f"<{address}>" if address.domain else f"<{quote_local_part(address.local)}>"


def _write_mail(conversation: ClientConversation, mail: OutgoingMail) -> tuple[bytes, Reply | None]:
    offers = conversation.offers
    words = [f"MAIL FROM:{_write_path(mail.sender)}"]
    for keyword, usage in USAGES.items():
        if usage.refuse_mail is not None and (refusal := usage.refuse_mail(offers, mail)) is not None:
            return b"", refusal
        if usage.mail is not None and keyword in offers:
            words.append(usage.mail(offers, mail))
    return _join(words, _BAD_SENDER)


def _write_recipient(
    conversation: ClientConversation, mail: OutgoingMail, recipient: Recipient
) -> tuple[bytes, Reply | None]:
    offers = conversation.offers
    words = [f"RCPT TO:{_write_path(recipient.address)}"]
    for keyword, usage in USAGES.items():
        refusal = None if usage.refuse_recipient is None else usage.refuse_recipient(offers, mail, recipient)
        if refusal is not None:
            return b"", refusal
        if usage.recipient is not None and keyword in offers:
            words.append(usage.recipient(offers, mail, recipient))
    return _join(words, _BAD_RECIPIENT)


def _join(words: list[str], refusal: Reply) -> tuple[bytes, Reply | None]:
    line = " ".join(filter(None, words))
    return (b"", refusal) if _FORBIDDEN.search(line) else (line.encode("utf-8", "replace"), None)
