"""
What people use: all that an administrator can do, the command line, and news between processes.

Invariants: everything is done once, in L{twisted_mail_server.admin.operations}, and every way in calls that; resources
are met through interfaces only.

Start with L{twisted_mail_server.admin.operations}, then L{twisted_mail_server.admin.cli.root}.
"""
