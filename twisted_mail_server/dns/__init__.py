"""
Names: a stub resolver that asks the recursive ones it is told of.

Floor 4.  Two resolvers provide L{IResolver <twisted_mail_server.interfaces.IResolver>}: one on the network, and one that
answers from zones in memory, for tests and demonstrations.

Invariants: "no such name" and "no such data" are said only when a resolver said so; everything else that is no answer is
L{DnsFailure <twisted_mail_server.model.errors.DnsFailure>}, and nothing but that is raised, whatever arrives; an answer
is secure only if a resolver on this machine's loopback interface says that it has validated all of it; a query ends within its time.

Start with L{twisted_mail_server.dns.resolver}; L{twisted_mail_server.dns.codec} is where octets become values.
"""
