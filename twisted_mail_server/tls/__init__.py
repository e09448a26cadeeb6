"""
What this server shows of itself under TLS, certificates, their keys, and the contexts made of them; and what it asks of others.

Invariants: TLS 1.2 or newer; a certificate and its key are known to belong together before anything uses them; new
certificates replace the old ones in one step, and connections under way keep theirs.

Start with L{twisted_mail_server.tls.certificates}, then L{twisted_mail_server.tls.contexts}; L{twisted_mail_server.tls.outbound} is the
client's side.
"""
