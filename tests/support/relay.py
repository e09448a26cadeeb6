"""
Other people's mail servers, in memory: what they do is said beforehand, and what they got can be looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater

from tests.support.drive import now
from tests.support.envelopes import MESSAGE, ORIGIN
from twisted_mail_server.dns.memory import MemoryResolver
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.envelopes import Envelope, MailOptions, Recipient
from twisted_mail_server.model.queue import Outcome, QueuedMessage, Result
from twisted_mail_server.model.replies import Reply
from twisted_mail_server.policies.routes import is_public
from twisted_mail_server.protocols.smtp.client_events import Cause, SessionOver
from twisted_mail_server.relay.connections import ConnectDeferred, Connector, ConnectRefused, Outgoing, Target
from twisted_mail_server.relay.manager import RelayManager
from twisted_mail_server.relay.routing import Routes, Smarthost
from twisted_mail_server.spool.memory import MemorySpool

DELAYED, REFUSED = Outcome.DEFERRED, Outcome.FAILED


@define(eq=False)
class Host:
    """
    What one server does.
    """

    #: Why there is no session with it.
    failure: SessionOver | None = None
    #: Seconds until there is a session, until a message is taken, and until QUIT is answered.
    connect_delay: float = 0
    delay: float = 0
    quit_delay: float = 0
    quit_failure: Exception | None = None
    is_without_tls: bool = False
    is_without_eight_bit: bool = False
    #: By address: what it says of a recipient instead of 250.
    replies: dict[str, Reply] = field(factory=dict)
    #: Connections at a time; more are greeted with 421.
    most_connections: int = 1000
    #: Messages of one connection; then it takes leave.
    most_messages: int = 1000
    #: Recipients of one connection; the others need another one.
    most_recipients: int = 1000
    #: The connection is lost before the content of so many messages, or after it.
    losses: int = 0
    losses_after_content: int = 0
    #: Called with each message.
    taken: Callable[[Outgoing], object] = lambda outgoing: None
    # What happened.
    targets: list[Target] = field(factory=list)
    connections: list[Peer] = field(factory=list)
    messages: list[tuple[str, list[str], bytes]] = field(factory=list)
    outgoing: list[Outgoing] = field(factory=list)

    @property
    def live(self) -> int:
        """
        Connections that are open.
        """
        return sum(not one.is_closed for one in self.connections)


@define(eq=False)
class Peer:
    """
    A connection to a host.
    """

    host: Host
    target: Target
    _clock: Clock
    carried: int = 0
    is_closed: bool = False
    is_aborted: bool = False
    is_lost: bool = False

    @property
    def is_usable(self) -> bool:
        """
        Whether another message may be sent.
        """
        return not self.is_closed and not self.is_lost

    async def deliver(self, outgoing: Outgoing) -> list[Result]:
        """
        A result for each recipient.
        """
        host = self.host
        if self.is_lost:
            return self._all(outgoing, DELAYED, "The connection was lost.", "4.4.2")
        try:
            if host.delay:
                await deferLater(self._clock, host.delay)
        except CancelledError:
            self.abort()
            raise
        if self.carried >= host.most_messages:
            self.is_lost = True
            return self._all(outgoing, DELAYED, "421 4.3.2 Enough", "4.3.2")
        if outgoing.is_eight_bit and host.is_without_eight_bit:
            return self._all(outgoing, REFUSED, "It takes no 8 bits.", "5.6.3")
        if host.losses:
            host.losses -= 1
            self.is_lost = True
            return self._all(outgoing, DELAYED, "The connection was lost.", "4.4.2")
        self.carried += 1
        content = await outgoing.read(0, outgoing.size)
        host.taken(outgoing)
        if host.losses_after_content:
            host.losses_after_content -= 1
            self.is_lost = True
            return self._all(outgoing, DELAYED, "The connection was lost.", "4.4.2")
        host.outgoing.append(outgoing)
        fitting = outgoing.recipients[: host.most_recipients]
        names = [str(recipient.address) for _, recipient in fitting]
        host.messages.append((str(outgoing.sender or ""), names, content))
        results = [self._result(number, str(recipient.address)) for number, recipient in fitting]
        rest = outgoing.recipients[host.most_recipients :]
        self.is_lost = bool(rest)
        return results + [Result(number, DELAYED, "It takes no more.", "4.5.3") for number, _ in rest]

    def _result(self, number: int, address: str) -> Result:
        reply = self.host.replies.get(address, Reply(250, "OK", "2.0.0"))
        outcome = {2: Outcome.RELAYED, 4: DELAYED, 5: REFUSED}[reply.code // 100]
        said = f"{reply.code} {reply.enhanced} {reply.text}"
        return Result(number, outcome, said, reply.enhanced, f"smtp; {said}", self.target.host)

    def _all(self, outgoing: Outgoing, outcome: Outcome, text: str, status: str) -> list[Result]:
        return [Result(number, outcome, text, status) for number, _ in outgoing.recipients]

    async def close(self) -> None:
        """
        Take leave.
        """
        self.is_closed = True
        if self.host.quit_failure is not None:
            raise self.host.quit_failure
        if self.host.quit_delay:
            await deferLater(self._clock, self.host.quit_delay)

    def abort(self) -> None:
        """
        Let go at once.
        """
        self.is_closed = self.is_aborted = True


@define(eq=False)
class MemoryConnector:
    """
    Opens connections to the hosts that there are; at any other address there is none.
    """

    clock: Clock
    hosts: dict[str, Host] = field(factory=dict)
    #: Every address that was tried, in order.
    tried: list[str] = field(factory=list)

    def host(self, address: str, **kwargs: Any) -> Host:
        """
        A host at an address from now on.
        """
        found = self.hosts[address] = Host(**kwargs)
        return found

    @property
    def live(self) -> int:
        """
        Connections that are open, to all hosts.
        """
        return sum(one.live for one in self.hosts.values())

    async def open(self, target: Target) -> Peer:
        """
        As L{Connector.open}.
        """
        self.tried.append(target.address)
        host = self.hosts.get(target.address)
        if host is None:
            raise ConnectDeferred(over(Cause.CONNECT, f"{target.host}: Connection refused.", "4.4.1"))
        host.targets.append(target)
        if host.connect_delay:
            await deferLater(self.clock, host.connect_delay)
        if host.failure is not None:
            raise (ConnectRefused if host.failure.outcome is REFUSED else ConnectDeferred)(host.failure)
        if host.is_without_tls and target.tls != "off":
            raise ConnectDeferred(over(Cause.TLS, "The handshake failed.", "4.7.5"))
        if host.live >= host.most_connections:
            raise ConnectDeferred(over(Cause.GREETING, "It said 421 Too many.", "4.3.2", Reply(421, "Too many")))
        peer = Peer(host, target, self.clock)
        host.connections.append(peer)
        return peer


def over(
    cause: Cause, text: str, status: str, reply: Reply | None = None, outcome: Outcome = Outcome.DEFERRED
) -> SessionOver:
    """
    Why there is no session.
    """
    return SessionOver(cause, text, outcome, status, reply)


@define(eq=False)
class Outside:
    """
    A relay, and the world around it, on a clock that stands still.
    """

    clock: Clock = field(factory=Clock)
    spool: MemorySpool = field(init=False)
    resolver: MemoryResolver = field(init=False)
    connector: MemoryConnector = field(init=False)
    #: Work that a thread is to do: done at once.
    threaded: list[Any] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        counter = iter(range(1, 1_000_000))
        self.spool = MemorySpool(lambda size: next(counter).to_bytes(size, "big"), self.clock)
        self.resolver = MemoryResolver(clock=self.clock)
        self.connector = MemoryConnector(self.clock)

    def relay(self, smarthost: Smarthost | None = None, **kwargs: Any) -> RelayManager:
        """
        One that lives here.
        """
        routes = Routes(
            resolver=self.resolver,
            random=bytes,
            own_names=frozenset(("mail.example.com",)),
            own_addresses=frozenset(("192.0.2.99",)),
            may_connect=is_public,
        )
        return RelayManager(
            spool=self.spool,
            routes=routes,
            connector=cast(Connector, self.connector),
            clock=self.clock,
            run=self._run,
            smarthost=smarthost,
            **kwargs,
        )

    def _run(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        self.threaded.append(function)
        done: Deferred[Any] = Deferred()
        try:
            done.callback(function(*args))
        except Exception:  # noqa: BLE001 (as a thread's)
            done.errback()
        return done

    def domain(self, domain: str, address: str, **kwargs: Any) -> Host:
        """
        A domain with one server.
        """
        self.resolver.add(f"{domain}. MX 10 mx.{domain}.\nmx.{domain}. A {address}")
        return self.connector.host(address, **kwargs)

    def message(
        self,
        *recipients: str | Recipient,
        content: bytes = MESSAGE,
        sender: str | None = "bob@example.com",
        options: MailOptions | None = None,
    ) -> QueuedMessage:
        """
        A message in the spool.
        """
        everyone = tuple(one if isinstance(one, Recipient) else Recipient(Address.parse(one)) for one in recipients)
        envelope = Envelope(
            ORIGIN, None if sender is None else Address.parse(sender), everyone, options or MailOptions()
        )
        staged = self.spool.stage(recipients=len(everyone))
        staged.write(content)
        message = now(self.spool.commit(self.spool.new_id(), envelope, staged))
        return evolve(message, inline=None)


def start(relay: RelayManager, message: QueuedMessage, domain: str = "") -> Deferred[list[Result]]:
    """
    Begin to deliver a message to all of its recipients.
    """
    domain = domain or message.envelope.recipients[0].address.domain
    return Deferred.fromCoroutine(relay.deliver(message, range(len(message.envelope.recipients)), domain))


def wait_idle(clock: Clock) -> None:
    """
    Let idle connections end.
    """
    clock.advance(limits.RELAY_IDLE)
