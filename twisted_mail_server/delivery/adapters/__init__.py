"""
Code that was written for other servers, run as hooks of this one.

An adapter keeps nothing of a message; what it must remember of a session is bounded.  Start with
L{twisted_mail_server.delivery.adapters.aiosmtpd}.
"""
