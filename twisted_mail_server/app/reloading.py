"""
Settings and certificates read anew, while the server runs.

All that can fail is done first, aside: the file is read and checked, certificates and keys are read, new ports are bound.  If one of
that fails, nothing has changed, and the reason is told.  Then everything is swapped at once::

    certificates   new handshakes see them; connections keep what they have
    listeners      one that is new begins; one that is gone takes no more connections; one that stays keeps its port
    the rest       sessions that begin from now on go by it; those that are here live on by what they began with

What a running server cannot change (the reference says of which settings that is so) stays as it is, and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_mail_server.model.errors import BadSetting, MailError, Refused
from twisted_mail_server.servers.listening import CannotStart, ListenerService
from twisted_mail_server.tls.certificates import Pair

from .settings import Listener, Section, Settings, described_fields
from .wire import Server, local_names, shown_pairs

_log = Logger()

#: How alike an old listener and a new one must be to be the same, the most alike first.
_LIKENESSES: tuple[Callable[[Listener], object], ...] = (
    lambda one: one,
    lambda one: (one.endpoint, one.protocol),
    lambda one: one.endpoint,
)


@frozen
class Reloaded:
    """
    What a reload did.

    @ivar changed: what is new, for people.
    @ivar waiting: the settings that have changed in the file and need a restart.
    """

    changed: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = f"changed: {', '.join(self.changed)}" if self.changed else "nothing has changed"
        return f"{said}; a restart is needed for: {', '.join(self.waiting)}" if self.waiting else said


@frozen
class Merged:
    """
    New settings, as far as a running server can follow them.
    """

    settings: Settings
    changed: tuple[str, ...]
    waiting: tuple[str, ...]


def merge(old: Settings, new: Settings) -> Merged:
    """
    What of C{new} a server can begin to go by that goes by C{old}.
    """
    changed: list[str] = []
    waiting: list[str] = []
    merged = _merged(old, new, Settings, "", changed, waiting)
    # Not settings by themselves: it goes with the name.
    merged = evolve(merged, is_hostname_set=old.is_hostname_set)
    return Merged(merged, tuple(changed), tuple(waiting))


def _merged(old: Any, new: Any, settings: type, prefix: str, changed: list[str], waiting: list[str]) -> Any:
    kept: dict[str, Any] = {}
    for attribute, name, known in described_fields(settings):
        before, after = getattr(old, attribute.name), getattr(new, attribute.name)
        if before == after:
            continue
        is_table = isinstance(known, Section) and not known.is_repeated and not known.is_named
        if known.needs_restart:
            kept[attribute.name] = before
            waiting += _differing(before, after, prefix + name) if is_table else [prefix + name]
        elif is_table:
            kept[attribute.name] = _merged(before, after, known.settings, f"{name}.", changed, waiting)  # type: ignore[union-attr]
        else:
            changed.append(prefix + name)
    return evolve(new, **kept)


def _differing(before: Any, after: Any, section: str) -> list[str]:
    return [
        f"{section}.{name}"
        for attribute, name, _ in described_fields(type(before))
        if getattr(before, attribute.name) != getattr(after, attribute.name)
    ]


def matched(old: Sequence[Listener], new: Sequence[Listener]) -> list[int | None]:
    """
    For each new listener the place of the old one whose port it takes over; L{None} where it needs a port of its own.
    """
    found: list[int | None] = [None] * len(new)
    free = dict.fromkeys(range(len(old)))
    for likeness in _LIKENESSES:
        for index, one in enumerate(new):
            if found[index] is None:
                place = next((number for number in free if likeness(old[number]) == likeness(one)), None)
                if place is not None:
                    found[index] = place
                    del free[place]
    return found


@define(eq=False)
class Reloader:
    """
    Has one server read its settings anew.

    @ivar _listeners: those of the settings that the server goes by, in their order; changed in place.
    @ivar _reread: the settings of now.
    @ivar _listen: makes a listener, with nothing bound yet.
    @ivar _start: has a listener answer whose port is bound.
    @ivar _log_as: has the log written as the settings have it.
    """

    _server: Server
    _listeners: list[ListenerService]
    _reread: Callable[[], Settings]
    _listen: Callable[[Listener], ListenerService]
    _start: Callable[[ListenerService], None]
    _log_as: Callable[[Settings], None]
    #: Those that are no longer in the settings, and have connections.
    retired: list[ListenerService] = field(init=False, factory=list)
    _is_over: bool = field(init=False, default=False)
    _lock: DeferredLock = field(init=False, factory=DeferredLock)

    def stop(self) -> None:
        """
        The server stops: from now on nothing is reloaded.
        """
        self._is_over = True

    async def reload(self) -> Reloaded:
        """
        Read and change, after those who asked earlier; the log tells of it.

        @raise MailError: something is wrong, and nothing has changed; the text says what.
        """
        async with self._lock:
            try:
                done = await self._reload()
            except MailError as problem:
                _log.error("the reload changed nothing: {reason}", reason=problem.public)
                raise
        _log.info("reloaded: {done}", done=str(done))
        return done

    async def _reload(self) -> Reloaded:
        resources, certificates = self._server.resources, self._server.certificates
        disk, old = resources.disk, resources.settings
        self._check_running()
        merged = merge(old, await disk.run(self._reread))
        new = merged.settings
        pairs = await disk.run(shown_pairs, disk, resources.reactor, new)
        self._check_running()
        places = matched(old.listeners, new.listeners)
        shown = certificates.pairs
        bound = await self._bound(new.listeners, places)
        try:
            certificates.replace(pairs)
        except MailError:
            await _close(bound.values())
            raise
        changed = [*merged.changed, *_certificate_changes(shown, pairs)]
        self._go_by(old, new, places, bound)
        return Reloaded(tuple(changed), merged.waiting)

    def _check_running(self) -> None:
        if self._is_over:
            raise Refused("The server stops.")

    async def _bound(self, listeners: Sequence[Listener], places: Sequence[int | None]) -> dict[int, ListenerService]:
        """
        Listeners with ports of their own, by their place.
        """
        bound: dict[int, ListenerService] = {}
        for index, one in enumerate(listeners):
            if places[index] is None:
                listener = self._listen(one)
                try:
                    listener.privilegedStartService()
                except CannotStart as problem:
                    await _close(bound.values())
                    raise BadSetting(str(problem)) from problem
                bound[index] = listener
        return bound

    def _go_by(
        self, old: Settings, new: Settings, places: Sequence[int | None], bound: dict[int, ListenerService]
    ) -> None:
        """
        Swap; nothing here can fail.
        """
        resources, before = self._server.resources, list(self._listeners)
        resources.settings = new
        resources.directory.replace_names(local_names(new))
        self._log_as(new)
        is_same_for_sessions = _for_sessions(old) == _for_sessions(new)
        now: list[ListenerService] = []
        for index, (one, place) in enumerate(zip(new.listeners, places, strict=True)):
            listener = bound[index] if place is None else before[place]
            listener.protocol = one.protocol
            if place is None or not is_same_for_sessions or old.listeners[place] != one:
                listener.open_to(self._server.factory(one))
            if place is None:
                self._start(listener)
            now.append(listener)
        gone = [listener for listener in before if listener not in now]
        self._listeners[:] = now
        for listener in self.retired:
            if not listener.sessions():
                listener.disownServiceParent()
        self.retired = [listener for listener in self.retired if listener.sessions()] + gone
        for listener in gone:
            where = {"protocol": listener.protocol, "endpoint": listener.endpoint}
            _log.info("{protocol} on {endpoint} takes no more connections", **where)
            Deferred.fromCoroutine(listener.close()).addErrback(_not_closed)


def _for_sessions(settings: Settings) -> Settings:
    """
    Settings without those that no session looks at.
    """
    plain = Settings()
    return evolve(
        settings,
        listeners=(),
        tls=plain.tls,
        certificates=(),
        log=plain.log,
        domains=(),
        postmaster=None,
        source=None,
    )


def _certificate_changes(before: Sequence[Pair], after: Sequence[Pair]) -> list[str]:
    known = [pair.certificate for pair in before]
    return [
        f"the certificate for {', '.join(pair.shown_to) or 'no name'}, valid until {pair.certificate.not_valid_after_utc:%Y-%m-%d}"
        for pair in after
        if pair.certificate not in known
    ]


def _not_closed(failure: Failure) -> None:
    _log.failure("a port did not close", failure)


async def _close(listeners: Iterable[ListenerService]) -> None:
    for listener in listeners:
        await listener.close()
