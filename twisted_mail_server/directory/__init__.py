"""
Who lives here: accounts by immutable id, their addresses and credentials, and the domains that are local.

Invariants: an id is never reused; addresses are compared by L{key
<twisted_mail_server.model.addresses.Address.key>}; whoever listens hears of every account that was removed or given a
new password, once, whichever process did it; a secret is never logged.

Start with L{twisted_mail_server.directory.names}, then L{twisted_mail_server.directory.sqlite}.
"""
