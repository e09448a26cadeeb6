"""
Mail we have promised to deliver.

Invariant: a message is in the spool from before its C{250} until every recipient is settled.
C{docs/explanation/spool.md} is the table of states; L{twisted_mail_server.spool.journal} keeps it, and
L{twisted_mail_server.spool.directory} finds the journals of processes that died.
"""
