"""
The replies this server gives by itself, each with its code of RFC 3463.
"""

from __future__ import annotations

from ...model import limits
from ...model.replies import Reply

OK = Reply(250, "Ok.", "2.0.0")
SENDER_OK = Reply(250, "Sender ok.", "2.1.0")
RECIPIENT_OK = Reply(250, "Recipient ok.", "2.1.5")
GO_AHEAD = Reply(354, "Go ahead; end with <CRLF>.<CRLF>.")
GOODBYE = Reply(221, "Goodbye.", "2.0.0")
#: RFC 5321 section 3.5.3: neither confirmed nor denied.
CANNOT_VERIFY = Reply(252, "Cannot verify, but will take mail for it and try.", "2.0.0")
NO_LISTS = Reply(502, "No list is expanded here.", "5.5.1")
HELP = Reply(214, "Commands: {commands}.", "2.0.0")

UNKNOWN_COMMAND = Reply(500, "There is no such command.", "5.5.2")
BAD_UTF8 = Reply(501, "That is not UTF-8 (RFC 3629).", "5.5.2")
#: RFC 6531 section 3.5.
ASCII_SENDER = Reply(550, "An address that is not ASCII needs SMTPUTF8 in MAIL.", "5.6.7")
ASCII_RECIPIENT = Reply(553, "An address that is not ASCII needs SMTPUTF8 in MAIL.", "5.6.7")
BAD_OCTETS = Reply(500, "A command is printable ASCII, and ends with CRLF.", "5.5.2")
NO_ARGUMENT = Reply(501, "This command takes no argument.", "5.5.4")
NO_NAME = Reply(501, "Who are you?  A name, or an address in brackets, please.", "5.5.4")
NO_SUBJECT = Reply(501, "Whom?", "5.5.4")
NO_VALID_RECIPIENTS = Reply(554, "No valid recipients.", "5.5.1")
#: RFC 2033 section 4.2.
NO_LMTP_RECIPIENTS = Reply(503, "No valid recipients.", "5.5.1")
TOO_MANY_RECIPIENTS = Reply(452, "Too many recipients; send the rest in another transaction.", "4.5.3")
TOO_MANY_ERRORS = Reply(421, "Too many errors.", "4.7.0")
TOO_MANY_TRANSACTIONS = Reply(421, "Enough for one connection; please connect again.", "4.7.0")
TOO_IDLE = Reply(421, "Too many commands that bring no mail.", "4.7.0")
NOT_MAIL = Reply(421, "This is a mail server.", "4.7.0")

#: RFC 4954 section 6.
LOGIN_FIRST = Reply(530, "Log in first.", "5.7.0")
#: RFC 3207 section 4.
TLS_FIRST = Reply(530, "Use STARTTLS first.", "5.7.0")
LOGGED_IN = Reply(235, "Welcome.", "2.7.0")
TOO_MANY_LOGINS = Reply(421, "Too many failed logins.", "4.7.0")
TOO_MUCH_WITHOUT_LOGIN = Reply(421, "Too much without a login.", "4.7.0")

#: RFC 1870 section 6.
TOO_BIG = Reply(552, "The message is larger than this server takes.", "5.3.4")
#: The enhanced code by which Exchange, too, tells of bare line feeds, so that a sender can look it up.
BARE_LINE_END = Reply(550, "A CR or LF stands alone; lines end with CRLF (RFC 5321 section 2.3.8).", "5.6.11")
LINE_TOO_LONG = Reply(550, f"A line has more than {limits.TEXT_LINE} octets.", "5.6.0")
