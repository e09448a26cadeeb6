"""
Sources of truth about passwords, one a file, and the one checker that asks them in turn.

Start with L{twisted_mail_server.auth.checkers.composite}.
"""
