"""
Conversations on transports: Twisted protocols and factories, one module for each protocol.

Floor 5.  What they share (timeouts, back-pressure, counting, TLS, drain) is in L{twisted_mail_server.servers.base}: start
there.  A session works on one command at a time, in order, and costs a bounded amount of memory whatever its client does.
"""
