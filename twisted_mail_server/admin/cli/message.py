"""
C{mailctl message}: what became of a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from attrs import frozen

from twisted_mail_server.admin.cli.state import State, json_option, pass_state
from twisted_mail_server.admin.cli.tables import moment, octets, print_json, print_table
from twisted_mail_server.admin.cli.verbs import Noun, each
from twisted_mail_server.model import limits
from twisted_mail_server.model.addresses import Address
from twisted_mail_server.model.queue import Fate, QueuedMessage, Story

#: What JSON tells of a message's life.
_STORY = {
    ".id": "Its queue id.",
    ".message_id": "Its Message-ID, without the angle brackets; empty if it has none.",
    ".received": "When it was promised, in seconds since 1970.",
    ".sender": "Its return path; empty for a report.",
    ".size": "Its octets.",
    ".origin.service": "Which service took it: `smtp`, `submission`, `lmtp`.",
    ".origin.protocol": "How, as `Received` says it (RFC 3848); `LOCAL` for what the server made itself.",
    ".origin.peer": "The client's address.",
    ".origin.helo": "What the client called itself.",
    ".origin.tls": "The version and the cipher of TLS; empty without.",
    ".origin.login": "Who had logged in; empty for nobody.",
    ".origin.session": "The session's name in the log.",
    ".recipients[].address": "A recipient, aliases followed.",
    ".recipients[].state": "`pending`, `held`, `delivered`, `relayed`, `failed` or `removed`.",
    ".recipients[].detail": "What was said at the last try, or where it was delivered.",
    ".recipients[].attempts": "How often it was tried.",
    ".recipients[].changed": "When that state began, in seconds since 1970.",
    ".recipients[].due": "When it is tried next, in seconds since 1970; `null` if it is not.",
    ".events[].at": "When something happened, in seconds since 1970.",
    ".events[].recipient": "To which recipient, counted from 0; `null` for the whole message.",
    ".events[].event": "What: `accepted`, `directed`, `quarantined`, a try, an operator's doing, a final state.",
    ".events[].detail": "More of it, for people.",
}


@click.group("message", cls=Noun)
def message() -> None:
    """Messages: what became of them."""


@message.command(
    "trace",
    prints=each(_STORY),
    examples=(
        "mailctl message trace eve@example.net",
        "mailctl message trace you@example.net --limit 3 --json",
    ),
)
@click.argument("query", help="A queue id, a Message-ID, or a part of a sender's or recipient's address.")
@click.option(
    "--limit",
    type=click.IntRange(1, limits.STORIES_MOST),
    default=limits.STORIES,
    metavar="COUNT",
    show_default=True,
    help="Tell of so many messages at most.",
)
@json_option
@pass_state
def trace(state: State, query: str, limit: int) -> None:
    """Tell the life of messages, newest first.

    Who sent them, when, what was tried, where they are now. It fails if nothing is known by QUERY.
    """
    stories = state.run(lambda operations: operations.stories(query, limit))
    if state.as_json:
        print_json([_as_json(story) for story in stories])
        return
    for number, story in enumerate(stories):
        if number:
            click.echo()
        _print(story)


@frozen
class Line:
    """
    One moment of a message's life.

    @ivar recipient: its place in the envelope; C{None} for the whole message.
    """

    at: int
    recipient: int | None
    what: str
    detail: str


def lines(story: Story) -> list[Line]:
    """
    A message's life, oldest first: its acceptance, the events, and each final fate where it stands.
    """
    return sorted((*_beginning(story.message), *_middle(story), *_end(story.message)), key=lambda one: one.at)


def _beginning(one: QueuedMessage) -> Iterator[Line]:
    origin, received = one.envelope.origin, one.envelope.received
    if origin.protocol == "LOCAL":
        yield Line(received, None, "accepted", "a report of this server")
    else:
        where = f"from {origin.peer or 'this machine'} ({origin.helo}) by {origin.service.value}, {origin.protocol}"
        yield Line(received, None, "accepted", ", ".join(filter(None, (where, origin.tls, _login(origin.login)))))
    for number, recipient in enumerate(one.envelope.recipients):
        if recipient.named is not None:
            yield Line(received, number, "directed", f"from {recipient.named}")
        if recipient.quarantine:
            yield Line(received, number, "quarantined", recipient.quarantine)


def _login(name: str) -> str:
    return f"login {name}" if name else ""


def _middle(story: Story) -> Iterator[Line]:
    for event in story.events:
        yield Line(event.at, event.number, event.what, event.detail)


def _end(one: QueuedMessage) -> Iterator[Line]:
    for number, fate in enumerate(one.states):
        # An operator's removal is an event of its own; it leaves the last try's words.
        if fate.fate.is_settled and fate.fate is not Fate.REMOVED:
            yield Line(fate.changed, number, fate.fate.value, fate.detail)


def _print(story: Story) -> None:
    one = story.message
    envelope = one.envelope
    print_table(
        ("MESSAGE", str(one.id)),
        [
            ("Message-ID", f"<{envelope.message_id}>" if envelope.message_id else "none"),
            ("From", _written(envelope.sender)),
            ("Size", octets(one.size)),
            *[
                (f"To {number + 1}", f"{recipient.address}: {_place(one, number)}")
                for number, recipient in enumerate(envelope.recipients)
            ],
        ],
        empty="",
    )
    print_table(
        ("TIME (UTC)", "TO", "EVENT", "DETAIL"),
        [
            (moment(line.at), "all" if line.recipient is None else str(line.recipient + 1), line.what, line.detail)
            for line in lines(story)
        ],
        empty="",
    )


def _written(address: Address | None) -> str:
    return "<>" if address is None else str(address)


def _place(one: QueuedMessage, number: int) -> str:
    """
    Where a recipient stands now.
    """
    state = one.states[number]
    if state.fate is Fate.PENDING:
        return f"pending, next try {moment(state.due)}" if state.due else "pending, to be tried now"
    return f"{state.fate.value} {state.detail}".rstrip() if state.fate is Fate.DELIVERED else state.fate.value


def _as_json(story: Story) -> dict[str, Any]:
    one = story.message
    envelope, origin = one.envelope, one.envelope.origin
    return {
        "id": str(one.id),
        "message_id": envelope.message_id,
        "received": envelope.received,
        "sender": "" if envelope.sender is None else str(envelope.sender),
        "size": one.size,
        "origin": {
            "service": origin.service.value,
            "protocol": origin.protocol,
            "peer": origin.peer,
            "helo": origin.helo,
            "tls": origin.tls,
            "login": origin.login,
            "session": origin.session,
        },
        "recipients": [
            {
                "address": str(recipient.address),
                "state": state.fate.value,
                "detail": state.detail,
                "attempts": state.attempts,
                "changed": state.changed,
                "due": state.due if state.fate is Fate.PENDING else None,
            }
            for recipient, state in zip(envelope.recipients, one.states, strict=True)
        ],
        "events": [
            {"at": line.at, "recipient": line.recipient, "event": line.what, "detail": line.detail}
            for line in lines(story)
        ],
    }
