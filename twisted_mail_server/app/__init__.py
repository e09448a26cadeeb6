"""
Where everything meets: settings, wiring, the service, the console script.

The only package that knows all others, and the only one that knows the global reactor.

Invariants: what is wrong with the settings is said all at once, before a port is opened; a server that cannot start ends with
one clear line and an exit status that is not zero; no secret is printed or logged.

Read L{twisted_mail_server.app.wire} first, then L{twisted_mail_server.app.settings}.
"""
