"""
Tests of L{twisted_mail_server.directory}.
"""
