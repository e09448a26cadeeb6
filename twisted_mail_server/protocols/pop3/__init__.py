"""
POP3, the server's side (RFC 1939 and the capabilities that L{twisted_mail_server.protocols.pop3.registry} lists).

Sans-IO: octets go into L{ServerSide <twisted_mail_server.protocols.pop3.server.ServerSide>}; octets to be sent, and events
that somebody else has to see to, come out of it.  Commands are answered one after the other, in their order, however
many came at once (RFC 2449 section 6.6).

Start with C{vocabulary}, the words a command or a capability is written in; then C{registry}; then C{server}.
"""
