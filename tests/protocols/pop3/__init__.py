"""
L{twisted_mail_server.protocols.pop3}
"""
