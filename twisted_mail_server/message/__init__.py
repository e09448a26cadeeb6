"""
RFC 5322 and MIME: reading messages without ever changing them.

Every function is total: a message is whatever bytes arrived, so nothing here
raises on strange input, and the work is linear in its length (with the bounds
in L{twisted_mail_server.model.limits}).  Nothing is ever serialised anew:
what is known about a message are offsets into its bytes; what is added goes in
front; what is removed is cut out exactly.

Start reading with L{twisted_mail_server.message.headers}, then
L{twisted_mail_server.message.structure}.
"""
