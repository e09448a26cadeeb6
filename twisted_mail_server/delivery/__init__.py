"""
From an accepted message to its destinations.

Invariant: every message to be delivered enters through L{twisted_mail_server.delivery.intake} and the spool, and leaves
the spool only when its fate is durable.  Start with L{twisted_mail_server.delivery.intake}.
"""
