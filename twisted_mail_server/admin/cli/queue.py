"""
C{mailctl queue}: mail that is on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import moment, octets, print_json, print_table, until
from twisted_mail_server.admin.cli.verbs import Noun, each
from twisted_mail_server.admin.operations import Operations
from twisted_mail_server.model.errors import Refused
from twisted_mail_server.model.queue import Fate, QueueChange, QueuedMessage, RecipientState

#: What JSON tells of a message in the queue.
_QUEUED = {
    ".id": "Its queue id.",
    ".received": "When it was promised, in seconds since 1970.",
    ".size": "Its octets.",
    ".sender": "Its return path; empty for a report.",
    ".service": "Which service took it: `smtp`, `submission`, `lmtp`.",
    ".protocol": "How, as `Received` says it (RFC 3848).",
    ".peer": "The client's address.",
    ".helo": "What the client called itself.",
    ".login": "Who had logged in; empty for nobody.",
    ".recipients[].address": "A recipient, aliases followed.",
    ".recipients[].state": "`pending`, `held`, `delivered`, `relayed`, `failed` or `removed`.",
    ".recipients[].detail": "What was said at the last try, or where it was delivered.",
    ".recipients[].attempts": "How often it was tried.",
    ".recipients[].changed": "When that state began, in seconds since 1970.",
    ".recipients[].due": "When it is tried next, in seconds since 1970; `null` if it is not.",
}
_WHICH = "Queue ids, as `mailctl queue list` shows them."


@click.group("queue", cls=Noun)
def queue() -> None:
    """The queue: mail that is on its way."""


@queue.command(
    "list",
    prints=each(_QUEUED),
    examples=("mailctl queue list", "mailctl queue list --json"),
)
@click.option("--ids", is_flag=True, help="Print the queue ids only, a line each, as xargs and the like read them.")
@json_option
@pass_state
def list_messages(state: State, ids: bool) -> None:
    """Show every message that is not delivered yet, oldest first."""
    if ids and state.as_json:
        raise click.UsageError("--ids and --json exclude each other.")

    async def work(operations: Operations) -> tuple[list[QueuedMessage], float]:
        return await operations.queue(), operations.now()

    messages, now = state.run(work)
    if state.as_json:
        print_json([_as_json(message) for message in messages])
        return
    if ids:
        for message in messages:
            click.echo(str(message.id))
        return
    print_table(
        ("ID", "RECEIVED (UTC)", "SIZE", "TRIES", "NEXT TRY", "FROM", "TO"),
        [
            (
                str(message.id),
                moment(message.envelope.received),
                octets(message.size),
                str(max((one.attempts for one in _unsettled(message)), default=0)),
                _next_try(message, now),
                _sender(message) or "<>",
                _waiting(message),
            )
            for message in messages
        ],
        empty="The queue is empty.",
    )


@queue.command(
    "show",
    prints=_QUEUED,
    examples=("mailctl queue show $(mailctl queue list --ids | head -n 1)",),
)
@click.argument("queue_id", metavar="ID", help="A queue id, as `mailctl queue list` shows it.")
@json_option
@pass_state
def show(state: State, queue_id: str) -> None:
    """Show what is known of one message, delivered or not.

    What was tried, what the other side said, when it is tried next.
    """

    async def work(operations: Operations) -> tuple[QueuedMessage, float]:
        return await operations.queued(queue_id), operations.now()

    message, now = state.run(work)
    if state.as_json:
        print_json(_as_json(message))
        return
    origin = message.envelope.origin
    print_table(
        ("MESSAGE", str(message.id)),
        [
            ("Received (UTC)", moment(message.envelope.received)),
            ("Size", octets(message.size)),
            ("From", _sender(message) or "<>"),
            ("Client", f"{origin.peer or 'local'} ({origin.helo})"),
            ("By", f"{origin.service.value}, {origin.protocol}"),
            *([("Login", origin.login)] if origin.login else []),
        ],
        empty="",
    )
    click.echo()
    print_table(
        ("RECIPIENT", "STATE", "TRIES", "SINCE (UTC)", "NEXT TRY (UTC)", "DETAIL"),
        [
            (
                str(recipient.address),
                fate.fate.value,
                str(fate.attempts),
                moment(fate.changed) if fate.changed else "-",
                _due(fate, now),
                fate.detail,
            )
            for recipient, fate in zip(message.envelope.recipients, message.states, strict=True)
        ],
        empty="It has no recipients.",
    )


@queue.command(
    "hold",
    prints=each(_QUEUED),
    examples=("mailctl queue list --ids | xargs -r mailctl queue hold",),
)
@click.argument("queue_ids", metavar="ID...", nargs=-1, required=True, help=_WHICH)
@json_option
@pass_state
def hold(state: State, queue_ids: tuple[str, ...]) -> None:
    """Keep messages until they are released.

    They stay in the queue, and nobody gets a report.
    """
    _change(state, queue_ids, QueueChange.HOLD, "Holding")


@queue.command(
    "release",
    prints=each(_QUEUED),
    examples=("mailctl queue list --ids | xargs -r mailctl queue release",),
)
@click.argument("queue_ids", metavar="ID...", nargs=-1, required=True, help=_WHICH)
@json_option
@pass_state
def release(state: State, queue_ids: tuple[str, ...]) -> None:
    """Let messages that are held go on."""
    _change(state, queue_ids, QueueChange.RELEASE, "Released")


@queue.command(
    "retry",
    prints=each(_QUEUED),
    examples=("mailctl queue list --ids | xargs -r mailctl queue retry",),
)
@click.argument("queue_ids", metavar="ID...", nargs=-1, required=True, help=_WHICH)
@json_option
@pass_state
def retry(state: State, queue_ids: tuple[str, ...]) -> None:
    """Try messages again now, and not only when they are due."""
    _change(state, queue_ids, QueueChange.RETRY, "Trying")


@queue.command(
    "remove",
    prints=each(_QUEUED),
    examples=("mailctl queue list --ids | xargs -r mailctl queue remove --yes",),
)
@click.argument("queue_ids", metavar="ID...", nargs=-1, required=True, help=_WHICH)
@click.option("--yes", is_flag=True, help="Do not ask whether that is meant.")
@json_option
@pass_state
def remove(state: State, queue_ids: tuple[str, ...], yes: bool) -> None:
    """Take messages out of the queue, for ever; nobody is told."""
    if not yes:
        if not state.is_terminal:
            raise Refused("Nobody is there to be asked. Add --yes to take messages out of the queue.")
        count = "1 message" if len(queue_ids) == 1 else f"{len(queue_ids)} messages"
        click.confirm(f"Take {count} out of the queue, for ever?", abort=True, err=True)
    _change(state, queue_ids, QueueChange.REMOVE, "Removed")


def _change(state: State, queue_ids: Sequence[str], change: QueueChange, done: str) -> None:
    """
    The same change to several messages, up to the first that is not there.
    """

    async def work(operations: Operations) -> list[QueuedMessage]:
        return [await operations.change_queued(queue_id, change) for queue_id in queue_ids]

    changed = state.run(work)
    if state.as_json:
        print_json([_as_json(message) for message in changed])
        return
    for message in changed:
        click.echo(f"{done} {message.id}.")


def _unsettled(message: QueuedMessage) -> list[RecipientState]:
    return [fate for fate in message.states if not fate.fate.is_settled]


def _next_try(message: QueuedMessage, now: float) -> str:
    """
    When somebody is next tried.
    """
    due = [fate.due for fate in message.states if fate.fate is Fate.PENDING]
    return until(min(due), now) if due else Fate.HELD.value


def _due(fate: RecipientState, now: float) -> str:
    """
    When one recipient is next tried: absolute, and from now.
    """
    if fate.fate is not Fate.PENDING:
        return "-"
    return f"{moment(fate.due)} ({until(fate.due, now)})" if fate.due > now else "now"


def _sender(message: QueuedMessage) -> str:
    return "" if message.envelope.sender is None else str(message.envelope.sender)


def _waiting(message: QueuedMessage) -> str:
    """
    Those who have not got it yet, and why.
    """
    return ", ".join(
        f"{recipient.address}{f' ({fate.detail})' if fate.detail else ''}"
        for recipient, fate in zip(message.envelope.recipients, message.states, strict=True)
        if not fate.fate.is_settled
    )


def _as_json(message: QueuedMessage) -> dict[str, Any]:
    origin = message.envelope.origin
    return {
        "id": str(message.id),
        "received": message.envelope.received,
        "size": message.size,
        "sender": _sender(message),
        "service": origin.service.value,
        "protocol": origin.protocol,
        "peer": origin.peer,
        "helo": origin.helo,
        "login": origin.login,
        "recipients": [
            {
                "address": str(recipient.address),
                "state": fate.fate.value,
                "detail": fate.detail,
                "attempts": fate.attempts,
                "changed": fate.changed,
                "due": fate.due if fate.fate is Fate.PENDING else None,
            }
            for recipient, fate in zip(message.envelope.recipients, message.states, strict=True)
        ],
    }
