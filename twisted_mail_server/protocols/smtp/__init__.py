"""
ESMTP (RFC 5321) as a conversation without I/O.

Invariants: only CRLF ends a line; one decision is outstanding at a time, so replies are in order; wherever the input is
cut, the same events come out.  What follows what is in L{twisted_mail_server.protocols.smtp.states}, what we speak in
L{twisted_mail_server.protocols.smtp.registry}.  Start with L{twisted_mail_server.protocols.smtp.server}.
"""
