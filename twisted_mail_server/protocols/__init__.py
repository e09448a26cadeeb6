"""
The protocols of mail as conversations without I/O: octets in, events and octets out.

Floor 2.  No Twisted, socket, clock, file or chance here; whoever drives a conversation brings them.  Cutting the input
anywhere changes nothing, only CRLF ends a line, and every buffer has a bound.  Start with
L{twisted_mail_server.protocols.smtp.server} or L{twisted_mail_server.protocols.sasl.registry}.
"""
