"""
Reports to senders: made from a message and the results of a try, to enter the spool with them (RFC 3461, 3464).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_mail_server.delivery.hooks import HookFailed, Hooks
from twisted_mail_server.delivery.routing import Router
from twisted_mail_server.interfaces import ISpool
from twisted_mail_server.message.reports import Kind, Subject, build_report, is_reportable, wants, wants_content
from twisted_mail_server.model import limits
from twisted_mail_server.model.envelopes import Envelope, Origin, Recipient, RecipientOptions, Service
from twisted_mail_server.model.errors import MailError, Refused
from twisted_mail_server.model.queue import QueuedMessage, Report, Result

_log = Logger()

#: RFC 3461 section 6.1: nobody is told of a report's own fate.
_NEVER = RecipientOptions(notify=frozenset())


@frozen
class Reporting:
    """
    Writes reports.
    """

    _spool: ISpool
    _router: Router
    _clock: IReactorTime
    _random: Callable[[int], bytes]
    _hostname: str
    _hooks: Hooks | None = None

    def is_wanted(self, kind: Kind, message: QueuedMessage, number: int) -> bool:
        """
        Whether the sender is to be told; never of what has no sender, so that no bounce bounces.
        """
        envelope = message.envelope
        return is_reportable(envelope) and wants(kind, envelope.recipients[number].options)

    async def report(
        self, kind: Kind, message: QueuedMessage, results: Sequence[Result], now: int, expire_after: int | None
    ) -> Report | None:
        """
        One report on some recipients of a message; it has a sender.  L{None} where a hook does not want it sent.
        """
        report = await self._written(kind, message, results, now, expire_after)
        if self._hooks is not None and self._hooks.bounce:
            changed = await self._asked(self._hooks, message, results, report)
            if changed is None:
                return None
            report = changed
        report = await self._addressed(report)
        _log.info(
            "reported {kind} of {queue_id} to <{recipient}> as {report}",
            kind=kind.value,
            queue_id=str(message.id),
            recipient=str(report.envelope.recipients[0].address),
            report=str(report.id),
        )
        return report

    async def _asked(
        self, hooks: Hooks, message: QueuedMessage, results: Sequence[Result], report: Report
    ) -> Report | None:
        """
        The report as hooks want it; one that does not work changes nothing.
        """
        try:
            decision = await hooks.run("bounce", hooks.bounce, message, results, report)
        except HookFailed:
            return report
        except MailError as problem:
            _log.info("no report on {queue_id}: {reason}", queue_id=str(message.id), reason=problem.public)
            return None
        envelope = report.envelope
        if decision.redirect is not None:
            envelope = evolve(envelope, recipients=(Recipient(decision.redirect, options=_NEVER),))
        return evolve(report, envelope=envelope, content=decision.added + report.content)

    async def _addressed(self, report: Report) -> Report:
        """
        The report for whoever its recipient stands for: who wrote as an alias is told too.
        """
        (named,) = report.envelope.recipients
        try:
            destinations = await self._router.destinations(named.address)
        except Refused:
            # There is nobody any more; that is found out, and told in the log, when it is delivered.
            return report
        recipients = tuple(Recipient(one.address, options=_NEVER) for one in destinations)
        return evolve(report, envelope=evolve(report.envelope, recipients=recipients))

    async def _written(
        self, kind: Kind, message: QueuedMessage, results: Sequence[Result], now: int, expire_after: int | None
    ) -> Report:
        envelope = message.envelope
        assert envelope.sender is not None
        returns_content = wants_content(kind, envelope.options, message.size)
        original = await self._original(message, returns_content)
        moment = datetime.fromtimestamp(now, UTC)
        report_name = f"<{self._random(16).hex()}@{self._hostname}>".encode("ascii", "replace")
        retry_until = None if expire_after is None else envelope.received + expire_after
        content, options = build_report(
            kind,
            envelope=envelope,
            subjects=[Subject(envelope.recipients[result.number], result, moment) for result in results],
            queue_id=message.id,
            reporting_mta=self._hostname,
            arrived=datetime.fromtimestamp(envelope.received, UTC),
            now=moment,
            message_id=report_name,
            boundary=self._random(12).hex().encode(),
            original=original,
            returns_content=returns_content and len(original) == message.size,
            retry_until=None if retry_until is None else datetime.fromtimestamp(retry_until, UTC),
        )
        return Report(
            self._spool.new_id(),
            Envelope(
                Origin(Service.MX, "", "", "LOCAL"),
                None,
                (Recipient(envelope.sender, options=_NEVER),),
                options,
                now,
                report_name.decode("ascii").strip("<>"),
            ),
            content,
            message.id,
        )

    async def _original(self, message: QueuedMessage, returns_content: bool) -> bytes:
        """
        The message, or enough of it for its header; a report is made even if nothing of it can be read.
        """
        try:
            return await self._spool.read(message, 0, message.size if returns_content else limits.REPORT_HEADER)
        except MailError as problem:
            _log.warn(
                "a report on {queue_id} goes without its content: {reason}",
                queue_id=str(message.id),
                reason=problem.public,
            )
            return b""
