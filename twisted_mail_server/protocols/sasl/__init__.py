"""
SASL (RFC 4422), shared by every protocol, both sides.

A mechanism turns responses into one secret, or a proof that one knows it, for somebody else to judge; nothing here knows an
account.  Start with
L{twisted_mail_server.protocols.sasl.registry}.
"""
