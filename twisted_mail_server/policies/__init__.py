"""
Decisions that need no input or output: what is known goes in, what follows comes out.

Floor 2: no Twisted, no clock, no socket, no chance.  What the domain name system said, what time it is, and random octets are
arguments, so that every decision can be tested by itself.

Start with L{twisted_mail_server.policies.routes}: where a message for another domain goes.
"""
