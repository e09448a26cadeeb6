"""
L{twisted_mail_server.delivery.adapters}
"""
