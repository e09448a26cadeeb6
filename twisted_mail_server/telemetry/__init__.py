"""
What operators see of a running server.

Invariants: one event a line, whatever a peer put into it; field names are stable, for programs read them; no secret is shown.

Start reading in L{twisted_mail_server.telemetry.logs}.
"""
