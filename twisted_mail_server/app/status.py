"""
What a running server is about: the answer to C{mailctl status}.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from twisted_mail_server import __version__
from twisted_mail_server.model.queue import Fate, QueuedMessage
from twisted_mail_server.servers.factories import SessionFactory
from twisted_mail_server.servers.listening import ListenerService
from twisted_mail_server.telemetry.lag import ReactorLag

from .wire import Server


async def describe(
    server: Server,
    listeners: Sequence[ListenerService],
    retired: Sequence[ListenerService],
    lag: ReactorLag,
    began: float,
) -> dict[str, Any]:
    """
    As JSON has it; programs read its names, and they stay.

    @param retired: listeners that take no more connections.
    @param began: when the server did, in seconds since 1970.
    """
    resources = server.resources
    now = resources.reactor.seconds()
    described = [*map(_listener, listeners), *(_listener(one) for one in retired if one.sessions())]
    return {
        "pid": os.getpid(),
        "version": __version__,
        "began": int(began),
        "uptime": int(now - began),
        "settings": resources.settings.source,
        "data_dir": resources.settings.data_dir,
        "reactor_lag": {"latest": round(lag.latest, 6), "worst": round(lag.worst, 6)},
        "open_accounts": resources.store.count_open(),
        "logged_in": sum(one["logged_in"] for one in described),
        "listeners": described,
        "queue": count_queue(await resources.spool.waiting(), now),
    }


def count_queue(messages: Sequence[QueuedMessage], now: float) -> dict[str, int]:
    """
    Messages that wait, those of them that could go now, and those that an operator holds.
    """
    fates = [[(state.fate, state.due) for state in message.states] for message in messages]
    return {
        "waiting": len(fates),
        "due": sum(any(fate is Fate.PENDING and due <= now for fate, due in states) for states in fates),
        "held": sum(any(fate is Fate.HELD for fate, _ in states) for states in fates),
    }


def _listener(listener: ListenerService) -> dict[str, Any]:
    factory = listener.factory
    total, tls = 0, "off"
    if isinstance(factory, SessionFactory):
        total, tls = factory.census.total, factory.terms.tls_use.value
    sessions = listener.sessions()
    return {
        "protocol": listener.protocol,
        "endpoint": listener.endpoint,
        "tls": tls,
        # Empty where it takes no more connections.
        "addresses": listener.addresses(),
        "connections": len(sessions),
        "total": total,
        "logged_in": sum(bool(getattr(session, "account", "")) for session in sessions),
    }
