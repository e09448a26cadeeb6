"""
The one tree of expected failures, and what each says to a peer.

::

    MailError
    +-- PeerError              the other side broke a rule: 5xx, BAD, -ERR
    |   +-- SyntaxProblem      what was sent cannot be read
    |   +-- OutOfTurn          right command, wrong moment
    |   +-- TooLong            a line, literal or list beyond its named limit
    +-- Refused                understood, and no: 5xx, NO, -ERR
    |   +-- NoSuchMailbox, MailboxExists, CannotDo, OverLimit, MessageTooBig, OverQuota
    |   +-- NoSuchAccount, NoSuchMessage, AccountExists, RelayDenied, MailLoop
    |   +-- AuthenticationFailed, NotAuthorized, PrivacyRequired
    |   +-- SchemaTooNew, BadSetting
    +-- Trouble                we failed, try again: 4xx, NO, -ERR
        +-- TemporaryFailure   anything of ours that should pass
        |   +-- LoginUnavailable   a password cannot be checked now
        +-- DiskFull           no room; room will be made
        +-- DatabaseBusy       somebody else holds it
        +-- InUse              a mailbox or maildrop is locked by another session
        +-- Throttled          too much, too fast
        +-- MessageGone        expunged meanwhile by another session
        +-- DnsFailure         no answer from the domain name system, neither yes nor no

C{public} is what the peer may read; the cause stays in the log.
"""

from __future__ import annotations

from typing import ClassVar


class MailError(Exception):
    """
    An expected failure.  C{public} is the sentence for the peer.
    """

    #: SMTP reply code and enhanced status code (RFC 3463).
    code: int = 451
    enhanced: str = "4.3.0"
    #: IMAP response code (RFC 5530 and others), without brackets; empty for none.
    imap_code: ClassVar[str] = ""
    #: POP3 response code (RFC 2449, 3206); empty for none.
    pop3_code: ClassVar[str] = ""

    def __init__(self, public: str) -> None:
        super().__init__(public)
        self.public = public


class PeerError(MailError):
    """
    The other side broke a rule of the protocol.
    """

    code, enhanced = 500, "5.5.2"
    imap_code = ""


class SyntaxProblem(PeerError):
    """
    What was sent cannot be read.
    """

    code, enhanced = 501, "5.5.2"


class OutOfTurn(PeerError):
    """
    The right command at the wrong moment.
    """

    code, enhanced = 503, "5.5.1"
    imap_code = "CLIENTBUG"


class TooLong(PeerError):
    """
    A line, literal or list beyond its named limit.
    """

    code, enhanced = 500, "5.5.6"
    imap_code = "LIMIT"


class Refused(MailError):
    """
    Understood, and the answer is no.
    """

    code, enhanced = 550, "5.7.1"


class NoSuchMailbox(Refused):
    """
    The named mailbox does not exist, or must look as if it did not.
    """

    code, enhanced = 550, "5.1.1"
    imap_code = "NONEXISTENT"


class NoSuchTarget(NoSuchMailbox):
    """
    The target of an APPEND, COPY or MOVE does not exist, and might be created (RFC 3501 section 6.3.11).
    """

    imap_code = "TRYCREATE"


class MailboxExists(Refused):
    """
    A mailbox of that name is already there.
    """

    imap_code = "ALREADYEXISTS"


class CannotDo(Refused):
    """
    This can never be done here (RFC 5530 CANNOT).
    """

    code, enhanced = 554, "5.3.3"
    imap_code = "CANNOT"


class OverLimit(Refused):
    """
    Beyond a named limit.
    """

    code, enhanced = 552, "5.3.4"
    imap_code = "LIMIT"


class MessageTooBig(OverLimit):
    """
    The message is larger than we take (RFC 1870 section 6.1).
    """

    code, enhanced = 552, "5.3.4"
    imap_code = "TOOBIG"


class OverQuota(Refused):
    """
    The account's quota does not hold this.
    """

    code, enhanced = 552, "5.2.2"
    imap_code = "OVERQUOTA"


class NoSuchAccount(Refused):
    """
    Nobody of that name lives here.
    """

    code, enhanced = 550, "5.1.1"
    imap_code = "NONEXISTENT"


class NoSuchMessage(Refused):
    """
    No message of that id waits in the queue.
    """


class AccountExists(Refused):
    """
    That address is taken.
    """

    imap_code = "ALREADYEXISTS"


class RelayDenied(Refused):
    """
    The recipient is elsewhere, and this server does not relay for this client.
    """

    code, enhanced = 550, "5.7.1"


class MailLoop(Refused):
    """
    The message has been here, or everywhere, before (RFC 5321 section 6.3).
    """

    code, enhanced = 554, "5.4.6"


class AuthenticationFailed(Refused):
    """
    Wrong name or password; which of the two is nobody's business.
    """

    code, enhanced = 535, "5.7.8"
    imap_code = "AUTHENTICATIONFAILED"
    pop3_code = "AUTH"


class NotAuthorized(Refused):
    """
    Who you are is known, and you may not.
    """

    code, enhanced = 550, "5.7.1"
    imap_code = "AUTHORIZATIONFAILED"
    pop3_code = "AUTH"


class PrivacyRequired(Refused):
    """
    Only under TLS.
    """

    code, enhanced = 538, "5.7.11"
    imap_code = "PRIVACYREQUIRED"


class SchemaTooNew(Refused):
    """
    A database was written by a newer version of this program.
    """

    imap_code = "CONTACTADMIN"


class BadSetting(Refused):
    """
    One or more settings are wrong; the text names file, line and what is allowed.
    """


class Trouble(MailError):
    """
    We failed; the peer may try again.
    """

    code, enhanced = 451, "4.3.0"
    imap_code = "UNAVAILABLE"
    pop3_code = "SYS/TEMP"


class TemporaryFailure(Trouble):
    """
    Anything of ours that should pass by itself.
    """


class LoginUnavailable(TemporaryFailure):
    """
    Nobody can tell now whether a password is right (RFC 4954 section 6).
    """

    code, enhanced = 454, "4.7.0"


class DiskFull(Trouble):
    """
    There is no room on the disk, or less than the reserve.
    """

    code, enhanced = 452, "4.3.1"


class DatabaseBusy(Trouble):
    """
    Somebody else holds the database; the caller tries again in a thread.
    """

    code, enhanced = 451, "4.3.2"
    imap_code = "INUSE"


class InUse(Trouble):
    """
    Another session holds the mailbox or maildrop exclusively.
    """

    code, enhanced = 450, "4.2.1"
    imap_code = "INUSE"
    pop3_code = "IN-USE"


class Throttled(Trouble):
    """
    Too much, too fast.
    """

    code, enhanced = 454, "4.7.0"
    imap_code = "LIMIT"
    pop3_code = "LOGIN-DELAY"


class MessageGone(Trouble):
    """
    A message was expunged by another session before this one could read it.
    """

    imap_code = "EXPUNGEISSUED"


class DnsFailure(Trouble):
    """
    The domain name system gave no answer: neither records, nor that there are none (RFC 3463 section 3.5, X.4.3).
    """

    code, enhanced = 451, "4.4.3"
