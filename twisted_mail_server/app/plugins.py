"""
What is installed besides the server: found, chosen by the settings, and made.

A module in C{twisted/plugins/} or an entry point of the group C{twisted_mail_server.plugins} holds a plugin; C{docs/how-to/extend.md}
shows some.  One that the settings do not name does nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

import twisted.plugins
from attrs import field, frozen
from twisted.logger import Logger
from twisted.plugin import IPlugin, getPlugins
from zope.interface import implementer

from twisted_mail_server.interfaces import IDirectory, IMailPlugin, IMailStore, IResolver, ISpool
from twisted_mail_server.model.errors import BadSetting, MailError

_log = Logger()

#: Where packages name their plugins.
GROUP = "twisted_mail_server.plugins"


@frozen
class NoSettings:
    """
    For plugins that have none.
    """


@frozen
class Services:
    """
    What a plugin may use.
    """

    #: Clock, and network; Twisted's.
    reactor: Any
    #: So many octets nobody can guess.
    random: Callable[[int], bytes]
    #: What the server calls itself.
    hostname: str
    directory: IDirectory
    store: IMailStore
    spool: ISpool
    resolver: IResolver
    #: Calls a function in a thread.
    run: Callable[..., Awaitable[Any]]


@implementer(IPlugin, IMailPlugin)
@frozen
class MailPlugin:
    """
    A plugin: its name, what makes its hook out of settings and services, and the attrs class of its settings.
    """

    name: str
    _make: Callable[[Any, Services], object]
    settings: type = field(default=NoSettings)

    def create(self, settings: Any, services: Services) -> object:
        """
        Its hook.
        """
        return self._make(settings, services)


@frozen
class ChosenPlugin:
    """
    A plugin that the settings turn on.
    """

    plugin: IMailPlugin
    settings: Any


def installed_plugins(package: ModuleType = twisted.plugins) -> dict[str, IMailPlugin]:
    """
    Every plugin there is, by its name.  One that is found both ways is there once; one that cannot be loaded is told of in the log.

    @raise BadSetting: two have the same name.
    """
    found: dict[str, IMailPlugin] = {}
    for plugin in [*getPlugins(IMailPlugin, package), *_entered(entry_points(group=GROUP))]:
        known = found.setdefault(plugin.name, plugin)
        if known is not plugin and known != plugin:
            raise BadSetting(f"Two plugins are called {plugin.name}: {known!r} and {plugin!r}.")
    return found


def _entered(entries: Iterable[Any]) -> Iterable[IMailPlugin]:
    for entry in entries:
        try:
            plugin = entry.load()
        except Exception:  # noqa: BLE001 (somebody else's module; without it the server can start)
            _log.failure("the plugin {name} of {place} cannot be loaded", name=entry.name, place=entry.value)
            continue
        if IMailPlugin.providedBy(plugin):
            yield plugin
        else:
            _log.error("{place} is no plugin: it does not provide IMailPlugin", place=entry.value)


def make_hooks(chosen: Sequence[ChosenPlugin], services: Services) -> list[tuple[str, object]]:
    """
    The hooks of the plugins that the settings turn on, each with its plugin's name.

    @raise BadSetting: one of them cannot be made.
    """
    made: list[tuple[str, object]] = []
    for one in chosen:
        name = one.plugin.name
        try:
            made.append((name, one.plugin.create(one.settings, services)))
        except MailError as problem:
            raise BadSetting(f"plugin.{name}: {problem.public}") from problem
        except Exception as problem:
            _log.failure("the plugin {name} cannot be made", name=name)
            raise BadSetting(f"plugin.{name} failed at its start: {problem!r}.") from problem
    return made


#: How settings are read that ask for installed plugins.
Installed = Callable[[], Mapping[str, IMailPlugin]]
