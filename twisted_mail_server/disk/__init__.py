"""
The only place that opens mail data, the spool and databases.

It hands out finished values (bytes, rows) and never a cursor or a descriptor; a
transaction is a function sent to the writer, and its result comes back when the
commit would survive a power cut.

Invariants: every statement is run to its end (apsw commits when the cursor is
exhausted); a database is opened with its first read, and closed, under the C{flock}
of its C{-lock} file; no code opens, copies or hashes a live database's files.

Start with L{twisted_mail_server.disk.real.RealDisk}, then
L{twisted_mail_server.disk.databases.Database}.  The disk that remembers what a power
cut would have left is L{twisted_mail_server.disk.recorded.RecordedDisk}.
"""
