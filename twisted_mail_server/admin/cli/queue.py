"""
C{mailctl queue}: mail that is on its way.
"""

from __future__ import annotations

from typing import Any

import click

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import moment, octets, print_json, print_table
from twisted_mail_server.model.queue import QueuedMessage


@click.group("queue")
def queue() -> None:
    """The queue: mail that is on its way."""


@queue.command("list")
@json_option
@pass_state
def list_messages(state: State) -> None:
    """Show every message that is not delivered yet, oldest first."""
    messages = state.run(lambda operations: operations.queue())
    if state.as_json:
        print_json([_as_json(message) for message in messages])
        return
    print_table(
        ("ID", "RECEIVED (UTC)", "SIZE", "FROM", "TO"),
        [
            (
                str(message.id),
                moment(message.envelope.received),
                octets(message.size),
                _sender(message) or "<>",
                _waiting(message),
            )
            for message in messages
        ],
        empty="The queue is empty.",
    )


@queue.command("show")
@click.argument("queue_id", metavar="ID")
@json_option
@pass_state
def show(state: State, queue_id: str) -> None:
    """Show what is known of one message, delivered or not."""
    message = state.run(lambda operations: operations.queued(queue_id))
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
        ("RECIPIENT", "STATE", "TRIES", "SINCE (UTC)", "DETAIL"),
        [
            (
                str(recipient.address),
                fate.fate.value,
                str(fate.attempts),
                moment(fate.changed) if fate.changed else "-",
                fate.detail,
            )
            for recipient, fate in zip(message.envelope.recipients, message.states, strict=True)
        ],
        empty="It has no recipients.",
    )


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
            }
            for recipient, fate in zip(message.envelope.recipients, message.states, strict=True)
        ],
    }
