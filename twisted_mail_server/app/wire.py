"""
Read this first: settings to resources, to factories, to a server.

::

    Settings ── open_resources ──► Resources                       shared by the server and mailctl
                                     disk, news, directory, store, spool, passwords
                                        │
                start_server ──────► Server                        the server alone
                                     certificates, authenticator, intake, delivery, relay, maintenance
                                        │
                Server.factory(listener) ──► what answers at one endpoint

Whatever is opened is closed in the opposite order; what fails to open closes what was opened before it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from twisted.logger import Logger

from twisted_mail_server.admin.operations import Operations
from twisted_mail_server.admin.peers import RUN, Peers
from twisted_mail_server.auth.hashing import Argon2Passwords
from twisted_mail_server.auth.portals import build_authenticator
from twisted_mail_server.delivery.dispatch import Dispatcher
from twisted_mail_server.delivery.hooks import Hooks
from twisted_mail_server.delivery.intake import Intake
from twisted_mail_server.delivery.logins import CheckedAuthenticator
from twisted_mail_server.delivery.mailboxevents import MailboxEvents
from twisted_mail_server.delivery.maintenance import Maintenance
from twisted_mail_server.delivery.outcomes import Outcomes
from twisted_mail_server.delivery.reporting import Reporting
from twisted_mail_server.delivery.routing import Router
from twisted_mail_server.directory.names import LocalNames
from twisted_mail_server.directory.sqlite import SqliteDirectory
from twisted_mail_server.disk.real import RealDisk
from twisted_mail_server.disk.workers import Workers
from twisted_mail_server.interfaces import IAuthenticator, IDisk, IMeters, Unmetered
from twisted_mail_server.model import limits
from twisted_mail_server.model.accounts import AccountId
from twisted_mail_server.model.envelopes import Service
from twisted_mail_server.model.errors import BadSetting
from twisted_mail_server.model.queue import FINAL_FATES, Fate
from twisted_mail_server.protocols.imap.search_memory import SearchMemory
from twisted_mail_server.relay.manager import RelayManager
from twisted_mail_server.servers.base import Terms, TlsUse
from twisted_mail_server.servers.http import HttpFactory
from twisted_mail_server.servers.imap import ImapFactory
from twisted_mail_server.servers.pop3 import Pop3Factory
from twisted_mail_server.servers.smtp import SmtpFactory
from twisted_mail_server.spool.directory import Spool
from twisted_mail_server.storage.sqlite import SqliteStore
from twisted_mail_server.telemetry.meters import Meters
from twisted_mail_server.tls.certificates import Pair, read_pair, self_signed_pair
from twisted_mail_server.tls.contexts import ServerContexts

from .outward import build_relay, build_resolver, relay_terms, schedule, sender_rewriting
from .plugins import Services, make_hooks
from .settings import Listener, Settings

_log = Logger()

#: Threads that wait for the disk: several files are synced in the time of one (measured: 16 of them give three times the rate).
DISK_THREADS = 16
#: Threads that hash passwords: more would only take turns.
HASH_THREADS = 2

#: Below the data directory.
FIRST_ACCOUNT = "first-account.txt"
_DIRECTORY = "directory.sqlite"
_ACCOUNTS = "accounts"
_SPOOL = "spool"

#: Who lives in a server that nobody configured.
_FIRST_ADDRESS = "demo@localhost"


@define(eq=False)
class Resources:
    """
    What a data directory holds, opened.
    """

    settings: Settings
    #: Twisted's, or one in memory.
    reactor: Any
    disk: RealDisk
    news: Peers
    directory: SqliteDirectory
    store: SqliteStore
    #: Not opened: who only looks takes no slot in it.
    spool: Spool
    passwords: Argon2Passwords
    random: Callable[[int], bytes]
    _closing: Closing

    def on_close(self, step: Callable[[], Awaitable[None] | None]) -> None:
        """
        One more thing to be closed, before all that are here.
        """
        self._closing.add(step)

    async def close(self) -> None:
        """
        Let go of everything; harmless twice.
        """
        await self._closing.close()


@define(eq=False)
class Closing:
    """
    What is to be closed, in the opposite order.
    """

    _steps: list[Callable[[], Awaitable[None] | None]] = field(factory=list)

    def add(self, step: Callable[[], Awaitable[None] | None]) -> None:
        """
        One more thing, to be closed before all that are here.
        """
        self._steps.append(step)

    async def close(self) -> None:
        """
        Close all; what fails is logged, and the rest is closed all the same.
        """
        while self._steps:
            try:
                waiting = self._steps.pop()()
                if waiting is not None:
                    await waiting
            except Exception:  # noqa: BLE001 (the rest must be closed too)
                _log.failure("something did not close")


async def open_resources(
    settings: Settings, reactor: Any, *, random: Callable[[int], bytes] = os.urandom, meters: IMeters | None = None
) -> Resources:
    """
    Open what C{settings} name; the data directory is made if it is not there.

    @raise MailError: something cannot be opened; nothing is left open.
    """
    closing = Closing()
    try:
        return await _open(settings, reactor, random, closing, meters or Unmetered())
    except BaseException:
        await closing.close()
        raise


async def _open(
    settings: Settings, reactor: Any, random: Callable[[int], bytes], closing: Closing, meters: IMeters
) -> Resources:
    disk_pool, hash_pool = _pool(DISK_THREADS, "disk", closing), _pool(HASH_THREADS, "hash", closing)
    disk = RealDisk(
        settings.data_dir,
        reactor,
        disk_pool,
        reactor.callFromThread,
        random,
        meters=meters,
        soon=lambda function: reactor.callLater(0, function),
    )
    try:
        await disk.run(disk.make_directory, "")
    except OSError as problem:
        raise BadSetting(f"data_dir: {problem.filename}: {problem.strerror}.") from problem
    news = Peers(reactor, os.path.join(disk.root, RUN), random)
    news.open()
    closing.add(news.close)
    directory = await SqliteDirectory.open(disk, _DIRECTORY, reactor, random, news=news, names=local_names(settings))
    closing.add(directory.close)
    store = SqliteStore(
        disk,
        reactor,
        news,
        random,
        _ACCOUNTS,
        defaults=settings.store.default_mailboxes(),
        checkpoint_inline=settings.store.checkpoint_inline,
        min_free_bytes=settings.limits.min_free_bytes,
        quota=lambda account: _quota_of(directory, account),
    )
    closing.add(store.close)
    spool = Spool(disk, _SPOOL, random, settings.limits.min_free_bytes, reactor, news)
    closing.add(spool.close)
    passwords = Argon2Passwords(hash_pool, reactor.callFromThread, reactor, random)
    return Resources(settings, reactor, disk, news, directory, store, spool, passwords, random, closing)


async def _quota_of(directory: SqliteDirectory, account_id: AccountId) -> int | None:
    account = await directory.account(account_id)
    return None if account is None else account.quota


def _pool(threads: int, name: str, closing: Closing) -> Workers:
    pool = Workers(threads, name)
    closing.add(pool.stop)
    return pool


def local_names(settings: Settings) -> LocalNames:
    """
    What the settings say of names.
    """
    domains, postmaster = frozenset(settings.domains), settings.postmaster
    return LocalNames(domains, default_domain(settings), postmaster, settings.subaddress_separator)


def default_domain(settings: Settings) -> str:
    """
    What completes a bare login name.
    """
    return settings.auth.default_domain or next(iter(settings.domains), "localhost")


def named_certificates(settings: Settings, reactor: Any) -> ServerContexts | None:
    """
    The certificates that the settings name, read while the process may still read their keys; L{None} when they name none.

    @raise BadSetting: it cannot be used; or the SQLite library cannot, which is found here too.
    """
    # Reads two files in this thread: its pool has nothing to do.
    disk = RealDisk(settings.data_dir, reactor, Workers(1, "none"), reactor.callFromThread, os.urandom)
    pairs = read_pairs(disk, settings)
    return ServerContexts(pairs) if pairs else None


def read_pairs(disk: IDisk, settings: Settings) -> list[Pair]:
    """
    The certificates that the settings name, with their keys; the first is for clients that ask for no name of ours.  Blocks.

    @raise BadSetting: one cannot be used.
    """
    pairs = []
    if settings.tls.certificate is not None and settings.tls.key is not None:
        pairs.append(read_pair(disk, settings.tls.certificate, settings.tls.key))
    for number, one in enumerate(settings.certificates, 1):
        pairs.append(read_pair(disk, one.certificate, one.key, f"certificate[{number}]", one.names))
    return pairs


def shown_pairs(disk: IDisk, clock: IReactorTime, settings: Settings) -> list[Pair]:
    """
    Those that the settings name, or the self-signed one.  Blocks.

    @raise MailError: one cannot be used, or made.
    """
    return read_pairs(disk, settings) or [self_signed_pair(disk, clock, settings.hostname)]


@define(eq=False)
class Server:
    """
    All that answers and delivers, on opened resources.
    """

    resources: Resources
    certificates: ServerContexts
    authenticator: IAuthenticator
    intake: Intake
    #: The account that was made because there was none, in this start or an earlier one; L{None} where there is no such.
    first_account: str | None
    _delivery: Dispatcher
    #: The way out, if there is one.
    _relay: RelayManager | None
    _maintenance: Maintenance
    hooks: Hooks
    meters: Meters
    search_memory: SearchMemory = field(init=False, factory=SearchMemory)

    def factory(self, listener: Listener) -> IProtocolFactory:
        """
        What answers at a listener.
        """
        return PROTOCOLS[listener.protocol](self, self._terms(listener))

    def _terms(self, listener: Listener) -> Terms:
        settings = self.resources.settings
        return Terms(
            service=listener.protocol,
            hostname=settings.hostname,
            clock=self.resources.reactor,
            random=self.resources.random,
            tls=self.certificates,
            tls_use=TlsUse(listener.tls),
            allow_plaintext=settings.auth.allow_plaintext,
            connections=settings.limits.connections,
            connections_per_address=settings.limits.connections_per_address,
            is_proxy=lambda peer: _is_within(peer, listener.proxy_networks),
            meters=self.meters,
        )

    async def stop(self) -> None:
        """
        Finish what is under way, and close the resources.  The listeners have drained.
        """
        await self._maintenance.stop()
        if self._relay is not None:
            await self._relay.stop()
        await self._delivery.stop()
        await self.resources.close()


async def start_server(
    settings: Settings,
    reactor: Any,
    certificates: ServerContexts | None,
    smarthost_login: tuple[str, bytes] | None = None,
    meters: Meters | None = None,
) -> Server:
    """
    Open the resources, take over the spool, and begin to deliver.

    @param certificates: those that the settings name; without them a self-signed one is used.
    @param smarthost_login: who to log in as there.
    @param meters: where things are counted; without them at a place of this server's own.
    @raise MailError: something cannot be opened; nothing is left open.
    """
    meters = meters or Meters()
    resources = await open_resources(settings, reactor, meters=meters)
    try:
        return await _start(resources, certificates, smarthost_login, meters)
    except BaseException:
        await resources.close()
        raise


async def _start(
    resources: Resources,
    certificates: ServerContexts | None,
    smarthost_login: tuple[str, bytes] | None,
    meters: Meters | None = None,
) -> Server:
    meters = meters or Meters()
    settings, clock, disk, random = resources.settings, resources.reactor, resources.disk, resources.random
    directory, store, spool = resources.directory, resources.store, resources.spool
    if certificates is None:
        certificates = ServerContexts(await disk.run(shown_pairs, disk, clock, settings))
    await spool.open()
    first_account = await ensure_first_account(resources)
    resolver = await build_resolver(settings, disk, clock, random)
    resources.on_close(resolver.close)
    relay = build_relay(settings, disk, spool, resolver, clock, random, smarthost_login)
    rewriting = await sender_rewriting(disk, clock, random)
    router = Router(directory, rewriting.recover)
    services = Services(clock, random, settings.hostname, directory, store, spool, resolver, disk.run)
    hooks = Hooks.of(clock, make_hooks(settings.plugins, services))
    reporting = Reporting(spool, router, clock, random, settings.hostname, hooks)
    outcomes = Outcomes(spool, reporting, clock, random, schedule(settings), meters)
    terms = relay_terms(settings, rewriting)
    intake = Intake(
        spool, router, store, clock, random, settings.hostname, settings.limits.recipients, terms, hooks, meters
    )
    delivery = Dispatcher(
        spool, router, outcomes, clock, store, relay, hooks, intake.redirected, meters, limits.LANE_REST
    )
    maintenance = Maintenance(spool, store, clock, settings.spool.history, meters)
    authenticator: IAuthenticator = build_authenticator(
        directory, store, resources.passwords, clock, random, settings.auth.checkers, meters
    )
    if hooks.login:
        authenticator = CheckedAuthenticator(authenticator, hooks)
    if hooks.mailbox:
        events = MailboxEvents(hooks, clock)
        store.observe(events.happened)
        resources.on_close(events.stop)
    _watch(resources, meters)
    await delivery.start()
    maintenance.start()
    return Server(
        resources, certificates, authenticator, intake, first_account, delivery, relay, maintenance, hooks, meters
    )


def _watch(resources: Resources, meters: Meters) -> None:
    """
    What is read when somebody looks.
    """
    spool, store = resources.spool, resources.store
    meters.watch("mail_queue_messages", lambda: spool.unsettled)
    meters.watch("mail_open_databases", lambda: store.open_databases)
    entries = ("promised", Fate.PENDING.value, Fate.HELD.value, *(fate.value for fate in FINAL_FATES))
    gauges = {entry: meters.gauge("mail_ledger_recipients", entry) for entry in entries}
    unaccounted = meters.gauge("mail_ledger_unaccounted")

    async def read_ledger() -> None:
        ledger = await spool.ledger()
        counts = {"promised": ledger.promised, "pending": ledger.pending, "held": ledger.held}
        counts |= {fate.value: count for fate, count in ledger.closed.items()}
        for entry, count in counts.items():
            gauges[entry](count)
        unaccounted(ledger.unaccounted)

    meters.refresh(read_ledger)


async def ensure_first_account(resources: Resources) -> str | None:
    """
    Make C{demo@localhost} where neither settings nor directory name a domain or an account.

    The address, if there is such an account whose password is still in its file.
    """
    disk, directory = resources.disk, resources.directory
    if not resources.settings.domains and not await directory.accounts():
        password = base64.urlsafe_b64encode(resources.random(18))
        line = f"{_FIRST_ADDRESS} {password.decode('ascii')}\n".encode("ascii")
        # The file first: were it the account, a crash in between would leave one whose password nobody knows.
        await disk.run(disk.write_file, FIRST_ACCOUNT, line, 0o600)
        await _operations(resources).add_account(_FIRST_ADDRESS, password)
        _log.info("made the first account, {account}", account=_FIRST_ADDRESS, file=FIRST_ACCOUNT)
    if disk.exists(FIRST_ACCOUNT) and await directory.login(_FIRST_ADDRESS) is not None:
        return _FIRST_ADDRESS
    return None


def _operations(resources: Resources) -> Operations:
    return Operations(
        resources.directory,
        resources.store,
        resources.spool,
        resources.passwords,
        resources.disk,
        resources.random,
        resources.reactor.seconds,
    )


def _smtp(server: Server, terms: Terms) -> IProtocolFactory:
    return _mail_taker(server, terms, Service.MX)


def _submission(server: Server, terms: Terms) -> IProtocolFactory:
    return _mail_taker(server, terms, Service.SUBMISSION)


def _lmtp(server: Server, terms: Terms) -> IProtocolFactory:
    return _mail_taker(server, terms, Service.LMTP)


def _mail_taker(server: Server, terms: Terms, service: Service) -> IProtocolFactory:
    settings = server.resources.settings
    return SmtpFactory(
        terms,
        service=service,
        intake=server.intake,
        authenticator=server.authenticator if service is Service.SUBMISSION else None,
        is_trusted=lambda peer: _is_within(peer, settings.submission.trusted_networks),
        directory=server.resources.directory,
        message_size=settings.limits.message_size,
        recipients=settings.limits.recipients,
        checks=server.hooks,
    )


def _imap(server: Server, terms: Terms) -> IProtocolFactory:
    settings = server.resources.settings
    return ImapFactory(
        terms,
        authenticator=server.authenticator,
        separator=settings.separator,
        message_size=settings.limits.message_size,
        unasked_literal=limits.UNASKED_LITERAL if settings.imap.literals == "minus" else None,
        search_memory=server.search_memory,
    )


def _pop3(server: Server, terms: Terms) -> IProtocolFactory:
    delay = server.resources.settings.pop3.login_delay
    return Pop3Factory(terms, authenticator=server.authenticator, login_delay=delay)


def _http(server: Server, terms: Terms) -> IProtocolFactory:
    networks = server.resources.settings.http.trusted_networks
    return HttpFactory(terms, metrics=server.meters.page, is_trusted=lambda peer: _is_within(peer, networks))


def _is_within(peer: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """
    Whether an address is in one of C{networks}; a Unix socket's empty one is not.
    """
    return bool(peer and networks) and any(ip_address(peer) in network for network in networks)


#: What answers, by a listener's C{protocol}.
PROTOCOLS: dict[str, Callable[[Server, Terms], IProtocolFactory]] = {
    "smtp": _smtp,
    "submission": _submission,
    "lmtp": _lmtp,
    "imap": _imap,
    "pop3": _pop3,
    "http": _http,
}
