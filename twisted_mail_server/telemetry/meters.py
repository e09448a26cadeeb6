"""
What is counted: every meter's name, labels and help text, and the registry that keeps them for Prometheus.

Names end as Prometheus asks: C{_total} for what only grows, a unit where there is one.  L{twisted_mail_server.app.reference} writes
C{docs/reference/metrics.md} from L{METERS}: nothing is listed twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from typing import Any

from attrs import define, field, frozen
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from zope.interface import implementer

from twisted_mail_server.interfaces import IMeters


class Kind(Enum):
    """
    What a meter does.
    """

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@frozen
class Meter:
    """
    One thing that is counted.

    @ivar buckets: the upper bounds that a histogram counts by.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_BATCH = (1, 2, 5, 10, 20, 50, 100)

METERS = (
    Meter("mail_sessions", Kind.GAUGE, "Connections of this moment.", ("service",)),
    Meter("mail_sessions_opened_total", Kind.COUNTER, "Connections that came, refused ones too.", ("service",)),
    Meter(
        "mail_sessions_refused_total", Kind.COUNTER, "Connections sent away because there were too many.", ("service",)
    ),
    Meter(
        "mail_octets_received_total", Kind.COUNTER, "Octets of sessions that have ended, from clients.", ("service",)
    ),
    Meter("mail_octets_sent_total", Kind.COUNTER, "Octets of sessions that have ended, to clients.", ("service",)),
    Meter(
        "mail_tls_sessions_total",
        Kind.COUNTER,
        "Sessions that have ended and had TLS, by its version.",
        ("service", "version"),
    ),
    Meter(
        "mail_commands_refused_total",
        Kind.COUNTER,
        "Commands that were understood and refused; those of IMAP, its errors of syntax too, once the session has ended.",
        ("service",),
    ),
    Meter(
        "mail_logins_total",
        Kind.COUNTER,
        "Logins: accepted, refused, throttled, failed by a fault of ours.",
        ("outcome",),
    ),
    Meter("mail_messages_accepted_total", Kind.COUNTER, "Messages that were promised with a 250.", ("service",)),
    Meter(
        "mail_recipients_total",
        Kind.COUNTER,
        "Tries for a recipient: delivered, relayed, failed, pending again.",
        ("fate",),
    ),
    Meter("mail_relay_tries_total", Kind.COUNTER, "Tries to send to another server, for each recipient.", ("outcome",)),
    Meter(
        "mail_delivery_seconds",
        Kind.HISTOGRAM,
        "From the promise to the mailbox here, for a recipient; what was deferred or recovered counts from its 250 in whole seconds.",
        buckets=_SECONDS,
    ),
    Meter("mail_queue_messages", Kind.GAUGE, "Messages that this process has still to deliver."),
    Meter(
        "mail_ledger_recipients",
        Kind.GAUGE,
        "The ledger of all time: promised, pending, held, delivered, relayed, failed, removed.",
        ("entry",),
    ),
    Meter(
        "mail_ledger_unaccounted", Kind.GAUGE, "Promises of which nobody knows what became: anything but 0 is an alarm."
    ),
    Meter("mail_open_databases", Kind.GAUGE, "Accounts whose database is open."),
    Meter("mail_checkpoints_total", Kind.COUNTER, "Checkpoints of accounts."),
    Meter("mail_checkpoint_contents_total", Kind.COUNTER, "Contents that checkpoints moved into files."),
    Meter(
        "mail_commit_transactions", Kind.HISTOGRAM, "Transactions that shared one commit of a database.", buckets=_BATCH
    ),
    Meter(
        "mail_commit_seconds",
        Kind.HISTOGRAM,
        "From a commit's beginning until it was durable, and now and then the log's checkpoint after it.",
        buckets=_SECONDS,
    ),
    Meter("mail_reactor_lag_seconds", Kind.GAUGE, "How late the last timer of the reactor rang."),
)

_BY_NAME = {meter.name: meter for meter in METERS}


@implementer(IMeters)
@define(eq=False)
class Meters:
    """
    A registry of its own, with every meter in it.
    """

    _registry: CollectorRegistry = field(init=False, factory=lambda: CollectorRegistry(auto_describe=False))
    _made: dict[str, Counter | Gauge | Histogram] = field(init=False, factory=dict)
    _refreshing: list[Callable[[], Awaitable[None]]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        for meter in METERS:
            self._made[meter.name] = self._make(meter)

    def _make(self, meter: Meter) -> Counter | Gauge | Histogram:
        name, text, labels, registry = meter.name, meter.help, meter.labels, self._registry
        if meter.kind is Kind.COUNTER:
            return Counter(name, text, labels, registry=registry)
        if meter.kind is Kind.GAUGE:
            return Gauge(name, text, labels, registry=registry)
        return Histogram(name, text, labels, registry=registry, buckets=meter.buckets)

    def counter(self, name: str, *labels: str) -> Callable[[float], object]:
        """
        What adds to a counter.
        """
        add: Callable[[float], object] = self._child(name, labels, Counter).inc
        return add

    def gauge(self, name: str, *labels: str) -> Callable[[float], object]:
        """
        What sets a gauge.
        """
        put: Callable[[float], object] = self._child(name, labels, Gauge).set
        return put

    def level(self, name: str, *labels: str) -> Callable[[float], object]:
        """
        What adds to a gauge, or takes from it.
        """
        add: Callable[[float], object] = self._child(name, labels, Gauge).inc
        return add

    def histogram(self, name: str, *labels: str) -> Callable[[float], object]:
        """
        What takes one observation.
        """
        put: Callable[[float], object] = self._child(name, labels, Histogram).observe
        return put

    def watch(self, name: str, read: Callable[[], float], *labels: str) -> None:
        """
        Read a gauge when somebody looks.
        """
        self._child(name, labels, Gauge).set_function(read)

    def refresh(self, work: Callable[[], Awaitable[None]]) -> None:
        """
        Have C{work} done before somebody looks.
        """
        self._refreshing.append(work)

    async def page(self) -> bytes:
        """
        All of it, in Prometheus' text format 0.0.4.
        """
        for work in self._refreshing:
            await work()
        text: bytes = generate_latest(self._registry)
        return text

    def _child(self, name: str, labels: tuple[str, ...], kind: type) -> Any:
        meter = self._made[name]
        assert isinstance(meter, kind), f"{name} is not what it is used as."
        return meter.labels(*labels) if labels else meter


def metrics_page() -> str:
    """
    C{docs/reference/metrics.md}.
    """
    return "\n".join([_HEAD, *_rows(), ""])


_HEAD = """# Metrics

A listener with `protocol = "http"` answers `GET /metrics` in Prometheus' text format, and `GET /health` with `ok`, to this machine and to
`http.trusted_networks`. Counters begin at 0 with each start of the server; the ledger is for all time.

This page is written by `python -m twisted_mail_server.app.reference metrics`.

| name | kind | labels | what it tells |
|---|---|---|---|"""


def _rows() -> Iterator[str]:
    for meter in METERS:
        labels = ", ".join(f"`{label}`" for label in meter.labels)
        yield f"| `{meter.name}` | {meter.kind.value} | {labels} | {meter.help} |"
