"""
What CREATE, RENAME and DELETE do to the names of an account (RFC 3501 sections 6.3.3 to 6.3.5).

Pure: the names there are go in, the names to be come out.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from twisted_mail_server.model import limits
from twisted_mail_server.model.errors import CannotDo, MailboxExists, NoSuchMailbox, NoSuchTarget, OverLimit
from twisted_mail_server.model.mailboxes import INBOX, SEPARATOR, canonical, check_name, parents


@frozen
class Renaming:
    """
    What a RENAME does.
    """

    #: Superior names that must be made first, topmost first.
    created: tuple[str, ...]
    #: Old and new names.
    renamed: tuple[tuple[str, str], ...]
    #: INBOX stays, and its messages move to a new mailbox of this name (RFC 3501 section 6.3.5).
    emptied_into: str | None = None


def plan_create(name: str, existing: Collection[str]) -> list[str]:
    """
    The names to make, topmost first, C{name} last.

    @raise MailboxExists: there is one of that name.
    @raise CannotDo: it is not a name a mailbox may have.
    @raise OverLimit: there are too many, or it is too long or deep.
    """
    name = check_name(name)
    if name in existing:
        raise MailboxExists("There is a mailbox of that name.")
    wanted = [upper for upper in parents(name) if upper not in existing]
    return _within_limit([*wanted, name], existing)


def plan_delete(name: str, existing: Collection[str]) -> str:
    """
    The name to remove.

    @raise NoSuchMailbox: there is none of that name.
    @raise CannotDo: it is INBOX.
    """
    name = find(name, existing)
    if name == INBOX:
        raise CannotDo("INBOX cannot be removed.")
    return name


def plan_rename(old: str, new: str, existing: Collection[str]) -> Renaming:
    """
    What becomes of which name.  A name that is only the superior of others can be renamed with them.

    @raise NoSuchMailbox: no C{old}.
    @raise MailboxExists: C{new}, or one that a mailbox below would become, is there.
    @raise CannotDo: a mailbox cannot go below itself.
    @raise OverLimit: a name would be too long or too deep, or there would be too many mailboxes.
    """
    old, new = canonical(old), check_name(new)
    inside = old + SEPARATOR
    below = sorted(name for name in existing if name.startswith(inside))
    if old not in existing and not below:
        raise NoSuchMailbox("There is no mailbox of that name.")
    if new in existing or new == old:
        raise MailboxExists("There is a mailbox of that name.")
    if old == INBOX:
        return Renaming(tuple(plan_create(new, existing)[:-1]), (), new)
    if new.startswith(inside):
        raise CannotDo("A mailbox cannot go below itself.")
    moved = [(name, check_name(new + name[len(old) :])) for name in [*([old] if old in existing else []), *below]]
    if any(after in existing for _, after in moved):
        raise MailboxExists("There is a mailbox of that name already.")
    afterwards = (set(existing) - {before for before, _ in moved}) | {after for _, after in moved}
    created = [upper for upper in parents(new) if upper not in afterwards]
    return Renaming(tuple(_within_limit(created, existing)), tuple(moved))


def find(name: str, existing: Collection[str]) -> str:
    """
    The name as it is kept.

    @raise NoSuchMailbox: there is none.
    """
    name = canonical(name)
    if name not in existing:
        raise NoSuchMailbox("There is no mailbox of that name.")
    return name


def find_target(name: str, existing: Collection[str]) -> str:
    """
    The name as it is kept, of a mailbox that messages go to.

    @raise NoSuchTarget: there is none.
    """
    name = canonical(name)
    if name not in existing:
        raise NoSuchTarget("There is no mailbox of that name; create it first.")
    return name


def _within_limit(created: list[str], existing: Collection[str]) -> list[str]:
    if len(existing) + len(created) > limits.MAILBOXES:
        raise OverLimit(f"An account has at most {limits.MAILBOXES} mailboxes.")
    return created
