"""
A complete mail server on Twisted: receive, submit, deliver, file, store, serve, relay.

Read L{twisted_mail_server.app.wire} first: it is the one place where the parts meet.
C{docs/explanation/floors.md} says which package stands on which floor, and why.
"""

__version__ = "0.1.0"
