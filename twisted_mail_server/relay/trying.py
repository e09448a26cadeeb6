"""
One try to bring one message to one destination.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import define, evolve, field, frozen
from twisted.logger import Logger

from twisted_mail_server.message.downgrade import CannotConvert
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Recipient
from twisted_mail_server.model.errors import MailError
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result
from twisted_mail_server.protocols.smtp.client_events import Cause

from .connections import ConnectFailed, Connection, Connector, Target
from .contents import Content, Sending
from .resting import Resting
from .routing import Routes, Smarthost
from .turns import Turn, Turns

_log = Logger()

#: The number of a recipient to whom a result has yet to be given.
_NOBODY = -1

#: RFC 3463 section 3.7: the message as it is cannot go there; converted, it might.
_CONVERSION_NEEDED = "5.6.3"
#: What a connection says by itself of recipients for whom the server wants another one.
_ENOUGH = "4.5.3"


@frozen
class Parcel:
    """
    Recipients of a message that share a transaction.
    """

    sender: Address | None
    recipients: tuple[tuple[int, Recipient], ...]

    def results(self, result: Result) -> list[Result]:
        """
        The same result for all of them.
        """
        return [evolve(result, number=number) for number, _ in self.recipients]


def parcels(message: QueuedMessage, numbers: Sequence[int]) -> Iterator[Parcel]:
    """
    Recipients by their reverse-path, and no more at once than every server takes.
    """
    groups: dict[Address | None, list[tuple[int, Recipient]]] = {}
    for number in numbers:
        recipient = message.envelope.recipients[number]
        groups.setdefault(recipient.reverse_path or message.envelope.sender, []).append((number, recipient))
    for sender, group in groups.items():
        for start in range(0, len(group), limits.RELAY_RECIPIENTS):
            yield Parcel(sender, tuple(group[start : start + limits.RELAY_RECIPIENTS]))


class Crowded(Exception):
    """
    The destination wants no more connections than it has.
    """


@define(eq=False, kw_only=True)
class Try:
    """
    From the wait for a connection to a result for each recipient.
    """

    message: QueuedMessage
    domain: str
    content: Content
    smarthost: Smarthost | None
    turns: Turns
    resting: Resting
    routes: Routes
    connector: Connector
    #: By recipient; what is here is final.
    results: dict[int, Result] = field(init=False, factory=dict)

    async def run(self, numbers: Sequence[int]) -> list[Result]:
        """
        A result for each of C{numbers}.
        """
        waiting = list(parcels(self.message, numbers))
        while waiting:
            turn = await self.turns.take(self.domain if self.smarthost is None else self.smarthost.key)
            try:
                while waiting:
                    results = await self._send(turn, waiting[0])
                    waiting[:1] = self._settle(waiting[0], results)
            except Crowded:
                # One of the connections that there are will come to this message.
                pass
            except BaseException:
                self._abort(turn)
                raise
            finally:
                self.turns.give_back(turn)
        return [self.results[number] for number in numbers]

    def _settle(self, parcel: Parcel, results: list[Result]) -> list[Parcel]:
        """
        Note what came of a parcel.  What is left of it goes over another connection: servers may want only so many
        transactions on one (RFC 9422 section 4.1).
        """
        self.results.update((result.number, result) for result in results)
        left = [one.number for one in results if one.status == _ENOUGH and not one.diagnostic]
        if not left or len(left) == len(results):
            return []
        return [evolve(parcel, recipients=tuple(one for one in parcel.recipients if one[0] in left))]

    async def _send(self, turn: Turn, parcel: Parcel) -> list[Result]:
        """
        Over the connection that is open, else over a new one.
        """
        try:
            sending = await self.content.sending(parcel.sender, parcel.recipients)
            if turn.connection is not None:
                results = await self._transact(turn, sending)
                if not _is_untouched(turn, sending, results):
                    return results
                self._leave(turn)
            return await self._send_anew(turn, parcel, sending)
        except MailError as problem:
            return parcel.results(self._without_session(problem))

    async def _send_anew(self, turn: Turn, parcel: Parcel, sending: Sending) -> list[Result]:
        """
        Try one place after the other until one has something to say (RFC 5321 section 5.1).

        @raise MailError: there is none.
        """
        failures: list[list[Result]] = []
        for target in await self._targets():
            problem = self.resting.find(_place(target)) or await self._connect(turn, target)
            if problem is not None:
                failures.append(parcel.results(problem))
                continue
            results = await self._transact(turn, sending)
            if not _is_untouched(turn, sending, results):
                return results
            self._leave(turn)
            failures.append(results)
        # A place that may take the message another time counts more than one that never will.
        return min(reversed(failures), key=lambda results: results[0].outcome is Outcome.FAILED)

    async def _targets(self) -> list[Target]:
        smarthost = self.smarthost
        if smarthost is None:
            stops = await self.routes.of_domain(self.domain)
            return [Target(stop.host, stop.address, tls="opportunistic") for stop in stops]
        stops = await self.routes.of_host(smarthost.host)
        return [Target(stop.host, stop.address, smarthost.port, smarthost.login, smarthost.tls) for stop in stops]

    async def _connect(self, turn: Turn, target: Target) -> Result | None:
        """
        Have a connection in the turn; or a result, that is for whoever wanted it.

        @raise Crowded: wait for another one.
        """
        try:
            turn.connection = await self._open(target)
        except ConnectFailed as problem:
            if problem.cause is Cause.GREETING and self.turns.narrow(turn):
                raise Crowded from problem
            result = self._without_session(problem, target.host)
            self.resting.put(_place(target), result)
            _log.info(
                "{host} [{peer}] is left alone for {seconds} seconds: {reason}",
                host=target.host,
                peer=target.address,
                seconds=limits.RELAY_REST,
                reason=problem.public,
            )
            return result
        turn.carried = turn.in_a_row = 0
        return None

    async def _open(self, target: Target) -> Connection:
        """
        @raise ConnectFailed: there is no session to be had.
        """
        try:
            return await self.connector.open(target)
        except ConnectFailed as problem:
            if problem.cause is not Cause.TLS or target.tls != "opportunistic" or target.login is not None:
                raise
        # RFC 7435: better in the clear than not at all, where nobody promised anything else.
        return await self.connector.open(evolve(target, tls="off"))

    async def _transact(self, turn: Turn, sending: Sending) -> list[Result]:
        """
        Give the message to the connection; if the other side is in want of an extension, converted (RFC 6152 section 3).
        """
        turn.carried += 1
        turn.in_a_row += 1
        results: list[Result] = await turn.connection.deliver(sending.outgoing())
        is_needed = sending.is_eight_bit and all(one.status == _CONVERSION_NEEDED for one in results)
        if not is_needed or sending.is_begun or not turn.connection.is_usable:
            return results
        try:
            await sending.convert()
        except CannotConvert as problem:
            return [evolve(one, detail=f"{one.detail} It cannot be converted: {problem}") for one in results]
        converted: list[Result] = await turn.connection.deliver(sending.outgoing())
        return converted

    def _without_session(self, problem: MailError, host: str = "") -> Result:
        """
        What a failure means that is no recipient's in particular.  One at the smarthost never makes mail come back: it is an
        error of somebody's settings, and will be found.
        """
        if isinstance(problem, ConnectFailed):
            result = problem.result(_NOBODY, host)
        else:
            outcome = Outcome.FAILED if problem.code >= 500 else Outcome.DEFERRED
            result = Result(_NOBODY, outcome, problem.public, problem.enhanced)
        if self.smarthost is None or result.outcome is Outcome.DEFERRED:
            return result
        return evolve(result, outcome=Outcome.DEFERRED, status=f"4{result.status[1:]}")

    def _leave(self, turn: Turn) -> None:
        """
        The connection is of no more use.
        """
        connection, turn.connection = turn.connection, None
        self.turns.end(connection)

    def _abort(self, turn: Turn) -> None:
        if turn.connection is not None:
            turn.connection.abort()
            turn.connection = None


def _place(target: Target) -> str:
    return f"{target.address} {target.port}"


def _is_untouched(turn: Turn, sending: Sending, results: list[Result]) -> bool:
    """
    Whether the server has said nothing of any recipient and can have got nothing of the message, so that another place may be
    tried without sending it twice.
    """
    return (
        not sending.is_begun
        and not turn.connection.is_usable
        and all(one.outcome is Outcome.DEFERRED for one in results)
    )
