"""
The way out: messages to other servers, or to a smarthost (RFC 5321 section 5).

Invariants: nothing another server does can hold more than its connection, for longer than the named time-outs, or in more
memory than a reply may have; every recipient tried has a result, which says for people who said what; once the content may
have been taken, only the server's own reply makes a result final.

Start with L{twisted_mail_server.relay.manager}; one session with one server is L{twisted_mail_server.relay.connections}.
"""
