"""
The proof of the promises: the whole server under load on a disk that remembers, cut, started again, and audited.

Run by name: C{python -m tests.prove} (C{make prove}).  Invariant: a client notes a promise at the place in the disk's log at which the
last octet of the reply was written, and the audit of a cut knows nothing else.

Start reading at L{tests.prove.trial}; then L{tests.prove.house} (the server), L{tests.prove.clients} and
L{tests.prove.administrator} (the load), L{tests.prove.ledger} (the promises), L{tests.prove.audit}, and L{tests.prove.mutations}
(what shows that the proof can fail).
"""
