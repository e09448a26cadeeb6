"""
IMAP4rev1 and IMAP4rev2, the server's side (RFC 3501, RFC 9051, and the extensions that
L{twisted_mail_server.protocols.imap.registry} lists).

Sans-IO: octets come in through C{receive}, octets go out through an awaited C{write}, and mail is met through
L{twisted_mail_server.interfaces}.  Commands of one session run one after the other, each to its end (RFC 3501 section
5.5), so sequence numbers mean the same throughout a command.

Start with C{vocabulary}, the words a command or an extension is written in; then C{registry}; then C{server}.
"""
