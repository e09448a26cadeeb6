"""
CAPABILITY, NOOP, LOGOUT (RFC 3501 section 6.1).
"""

from __future__ import annotations

from ..vocabulary import ANYTIME, Command, Outcome, Session, nothing


async def capability(session: Session, _: None) -> Outcome:
    """
    What this server can do, here and now (section 6.1.1).
    """
    session.put(b"* %b\r\n" % session.registry.capabilities(session))
    return Outcome("That is what we speak.")


async def noop(session: Session, _: None) -> Outcome:
    """
    Nothing; the news that follows every command is what clients ask for (section 6.1.2).
    """
    return Outcome("Nothing done.")


async def logout(session: Session, _: None) -> Outcome:
    """
    The end (section 6.1.3).
    """
    await session.leave()
    session.put(b"* BYE Until next time.\r\n")
    return Outcome("Logged out.", is_last=True)


COMMANDS = (
    Command(b"CAPABILITY", ANYTIME, nothing, capability),
    Command(b"NOOP", ANYTIME, nothing, noop),
    Command(b"LOGOUT", ANYTIME, nothing, logout),
)
