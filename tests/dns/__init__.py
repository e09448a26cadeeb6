"""
L{twisted_mail_server.dns}
"""
