"""
STARTTLS, AUTHENTICATE, LOGIN (RFC 3501 section 6.2).
"""

from __future__ import annotations

from attrs import frozen

from ....interfaces import IMailUser
from ....model import limits
from ....model.accounts import PlainSecret, ScramProof, Secret
from ....model.errors import AuthenticationFailed, OutOfTurn, PrivacyRequired, Refused, SyntaxProblem, Throttled
from ...sasl.plain import make_secret
from ...sasl.registry import BY_NAME
from ...sasl.vocabulary import KeysAsked, decode_base64, encode_base64
from ..extensions.saslir import read_initial_response
from ..vocabulary import ENTERING, Command, Cursor, Outcome, Session, nothing


async def start_tls(session: Session, _: None) -> Outcome:
    """
    Section 6.2.1.  What came behind the command, and so before TLS, is thrown away: it was not said under TLS.
    """
    if not session.driver.can_start_tls:
        raise OutOfTurn("TLS is not to be had now.")

    def begin() -> None:
        session.incoming.discard()
        session.driver.start_tls()

    return Outcome("Begin TLS now.", then=begin)


@frozen
class Login:
    """
    What LOGIN takes.
    """

    name: bytes
    password: bytes


def read_login(cursor: Cursor, session: Session) -> Login:
    """
    C{login}
    """
    cursor.space()
    name = cursor.astring()
    cursor.space()
    return Login(name, cursor.astring())


async def login(session: Session, arguments: Login) -> Outcome:
    """
    Section 6.2.3.
    """
    if not session.may_login:
        raise PrivacyRequired("Not without TLS.")
    return await _enter(session, make_secret(arguments.name, arguments.password))


@frozen
class Authenticate:
    """
    What AUTHENTICATE takes.
    """

    mechanism: str
    initial: bytes | None


def read_authenticate(cursor: Cursor, session: Session) -> Authenticate:
    """
    C{authenticate}, with the initial response of RFC 4959.
    """
    cursor.space()
    mechanism = cursor.atom().decode("ascii").upper()
    return Authenticate(mechanism, read_initial_response(cursor))


async def authenticate(session: Session, arguments: Authenticate) -> Outcome:
    """
    Section 6.2.2.

    @raise SyntaxProblem: the client took it back, or does not speak the mechanism well.
    """
    if arguments.mechanism not in session.mechanisms:
        if arguments.mechanism in session.settings.authenticator.mechanisms(is_private=True):
            raise PrivacyRequired("Not without TLS.")
        raise Refused("That mechanism is not to be had here.")
    exchange = BY_NAME[arguments.mechanism].server()
    result = exchange.start(arguments.initial)
    while not isinstance(result, PlainSecret | ScramProof):
        if isinstance(result, KeysAsked):
            start = await session.settings.authenticator.keys(result.name, result.hash_name, peer=session.driver.peer)
            result = result.answer(start, session.driver.channel_bindings)
            continue
        # continue-req = "+" SP (resp-text / base64) CRLF
        session.put(b"+ %b\r\n" % encode_base64(result.data))
        line = await session.incoming.line(limits.SASL_LINE)
        if line == b"*":
            raise SyntaxProblem("Taken back.")
        result = exchange.step(decode_base64(line))
    return await _enter(session, result)


async def _enter(session: Session, secret: Secret) -> Outcome:
    driver = session.driver
    try:
        entered = await session.settings.authenticator.login(secret, IMailUser, peer=driver.peer, revoked=driver.revoke)
    except (AuthenticationFailed, Throttled):
        session.failed_logins += 1
        raise
    session.enter(entered)
    return Outcome("Logged in.", code=session.registry.capabilities(session))


COMMANDS = (
    Command(b"STARTTLS", ENTERING, nothing, start_tls),
    Command(b"AUTHENTICATE", ENTERING, read_authenticate, authenticate),
    Command(b"LOGIN", ENTERING, read_login, login),
)
