"""
Who may come in: one realm and one portal for every protocol.

Invariants: what is offered follows from what the portal can check; the first source that knows an account decides, and
a source that is down is a temporary failure, never a wrong password; an unknown name takes as long, and gets the same
answer, as a wrong password; a live login ends when its account goes or gets a new password; no secret reaches the log.

Start with L{twisted_mail_server.auth.authenticator}, then L{twisted_mail_server.auth.portals}.
"""
