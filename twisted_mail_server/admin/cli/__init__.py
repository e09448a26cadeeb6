"""
C{mailctl}: one file a noun, over L{twisted_mail_server.admin.operations}.

Invariants: a command asks all it must ask before it opens anything, and then does one thing; what it prints is a table
for people, or with C{--json} one JSON value whose keys stay; an error is one clear line and an exit status that is not 0.

Start with L{twisted_mail_server.admin.cli.root}.
"""
