"""
Every upper bound, named, with its reason.

Those that an operator tunes are settings in C{[limits]} and stand here as their defaults.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# Settings' defaults.

#: A message, as sent (RFC 1870).  Large enough for what people attach, small enough to hold in a queue.
MESSAGE_SIZE = 50 * MIB
#: Recipients of one message.  RFC 5321 section 4.5.3.1.8 asks for at least 100.
RECIPIENTS = 1000
#: Connections from one address at a time; loopback is exempt.
CONNECTIONS_PER_ADDRESS = 50
#: Connections of one listener at a time.
CONNECTIONS = 2000
#: Connections of one listener that wait to be taken: beyond that the system lets clients try again, a second later and more.
BACKLOG = 1024
#: Below this much free disk new mail waits (452) so that what is promised can still be kept.
MIN_FREE_BYTES = 100 * MIB

# The settings file.

#: Octets of it; a person wrote it.
SETTINGS_FILE = 1 * MIB
#: Complaints about it that are shown; the rest is counted.
SETTINGS_PROBLEMS = 50

# Lines.

#: RFC 5321 section 4.5.3.1.4 asks for 512; extensions add to it (RFC 4954 alone asks for 12,288 for AUTH).
SMTP_COMMAND_LINE = 2048
#: RFC 4954 section 4: a base64 line of a SASL exchange.
SASL_LINE = 12288
#: RFC 5321 section 4.5.3.1.1 and .2: octets of a local part, of a domain, of a path.
LOCAL_PART = 64
DOMAIN = 255
PATH = 256
#: Addresses that are not read again when they come again: most mail of a day is between a few hundred.
PATHS_KNOWN = 500
#: RFC 3461 sections 4.4 and 4.2: characters of ENVID, and of ORCPT, as they are written.
ENVID = 100
ORCPT = 500
#: A PROXY header of version 1, its CRLF included, and of version 2: what fits into the smallest segment that TCP may send.
PROXY_LINE = 107
PROXY_HEADER = 536
#: RFC 5321 section 4.5.3.1.6 asks for 1000; senders break it, and a long line harms nobody here.
TEXT_LINE = 1 * MIB
#: POP3 commands are short (RFC 2449 section 4 says 255 octets); a SASL response is not.
POP3_COMMAND_LINE = 512
#: IMAP command line without literals.  RFC 2683 section 3.2.1.5 asks for 8,000; sequence sets of large mailboxes need more.
IMAP_COMMAND_LINE = 64 * KIB

# IMAP.

#: Literals of one command taken together, APPEND's message apart.
IMAP_LITERALS = 256 * KIB
#: A literal before login: user name, password, mailbox names of nobody.
IMAP_LITERAL_UNAUTHENTICATED = 4 * KIB
#: Ranges in one sequence set.
SEQUENCE_RANGES = 10_000
#: An IMAP literal that comes without being asked for, where LITERAL- is offered instead of LITERAL+ (RFC 7888 section 5).
UNASKED_LITERAL = 4096
#: Nested parentheses in a command; FETCH needs three, SEARCH a few more.
IMAP_NESTING = 20
#: Keys in one SEARCH, and how deep they nest once chains of OR and of AND are flat.
SEARCH_KEYS = 1000
SEARCH_NESTING = 50
#: Octets that a process remembers of header fields, between searches: a field like Subject takes half a million for ten thousand
#: messages, so the fields that people search by, in the mailboxes of some dozen of them.
SEARCH_MEMORY = 32 * MIB
#: Data items in one FETCH: each may be a whole message.
FETCH_ITEMS = 100
#: Messages gathered at a time by FETCH and SEARCH: from arrays, from rows, rows with headers, and with contents opened.
FETCH_BATCH_ARRAYS = 4000
FETCH_BATCH_ROWS = 500
FETCH_BATCH_HEADERS = 100
FETCH_BATCH_OPEN = 50
#: Octets of messages that a FETCH reads ahead of its client, in one trip to a thread: the trip costs more than the reading.
FETCH_AHEAD = 512 * KIB
#: Days of INTERNALDATEs that are remembered as they are written: a client's list is of a few years.
DAYS_KEPT = 1000
#: A line that is an answer, not a command: DONE (RFC 2177).
IMAP_SHORT_LINE = 64
#: Octets of refused literals, sent unasked (RFC 7888), that one session may have thrown away; then the connection ends.
IMAP_SKIPPED = 128 * MIB
#: Answers that are gathered before they are sent: one write, one TLS record or few.
IMAP_COALESCED = 16 * KIB
#: ID (RFC 2971 section 3.3): field-value pairs, octets of a field, of a value.
ID_PAIRS = 30
ID_FIELD = 30
ID_VALUE = 1024
#: Patterns of one LIST (RFC 5258), each of which may have to be held against every mailbox.
LIST_PATTERNS = 100
#: Messages of one APPEND (RFC 3502): each may hold a descriptor until all are there.
APPEND_MESSAGES = 100
#: Criteria of one SORT: there are nine, each of which makes sense once.
SORT_CRITERIA = 20
#: Octets of a header field that SORT and THREAD look at: more than a line, or the references of a very long thread.
SORT_FIELD = 2 * KIB
THREAD_FIELD = 16 * KIB
#: References of one message that THREAD follows, and ancestors that it looks at to see whether a link would close a loop.
THREAD_REFERENCES = 200
THREAD_DEPTH = 1000
#: Mailboxes of one account.
MAILBOXES = 10_000
#: Octets of a mailbox name in UTF-8, and levels of hierarchy.
MAILBOX_NAME = 1000
MAILBOX_DEPTH = 50
#: Keywords (user-defined flags) of one mailbox: with the five system flags they fill a 63-bit mask.
KEYWORDS = 58
#: Octets of one keyword.
KEYWORD = 200
#: Octets waiting to be sent to one client before its next command waits.
PENDING_OUTPUT = 256 * KIB
#: Octets that are sent before the reactor's next round: replies, not what they may bring, so that nobody is kept waiting.
PROMPT_OUTPUT = 8 * KIB

# Messages.

#: Fields of one header, and octets of one header, that are looked at; what follows is body to us.
HEADER_FIELDS = 5000
HEADER_SIZE = 1 * MIB
#: Nested MIME parts, and parts in all; deeper ones are opaque.
MIME_NESTING = 50
MIME_PARTS = 5000
#: Addresses of one header field shown in ENVELOPE.
ADDRESSES = 5000
#: Address lists that are remembered as ENVELOPE shows them, and octets of one that is.
ADDRESS_LISTS_KEPT = 1000
ADDRESSES_KEPT = 200
#: Tokens of unusual address lists that are read of one message: what a hostile one may cost, some 0.1 s.
ADDRESS_TOKENS = 100_000
#: Parameters of one MIME field, and comments; nobody writes so many.
MIME_PARAMETERS = 500
MIME_COMMENTS = 50
#: Values of Content-Type that are remembered with what they mean, and octets of one that is: most mail has one of a dozen.
MIME_VALUES_KEPT = 500
MIME_VALUE_KEPT = 120
#: Received fields after which a message is taken to loop (RFC 5321 section 6.3 asks for at least 100).
RECEIVED_FIELDS = 100

# Sessions.

#: Refused commands of one SMTP, POP3 or IMAP session before it is ended.
ERRORS_PER_SESSION = 20
#: Failed logins of one session before it is ended.
LOGINS_PER_SESSION = 3
#: Octets taken from a client that has not logged in, where one must (submission, POP3, IMAP).
UNAUTHENTICATED_BYTES = 64 * KIB
#: Transactions of one SMTP session; then 421, and a new connection spreads the load.
TRANSACTIONS_PER_SESSION = 1000
#: Octets of refused chunks (RFC 3030) that one SMTP session may have thrown away; then the connection ends.
SMTP_SKIPPED = 128 * MIB
#: Commands in a row that bring no mail forward: NOOP, RSET, VRFY ...
IDLE_COMMANDS = 100
#: Octets of pipelined commands that wait while one is decided.
PIPELINE = 64 * KIB

# Seconds.

#: RFC 5321 section 4.5.3.2.7: a server waits five minutes for the next command.
SMTP_COMMAND_TIMEOUT = 300
#: RFC 5321 section 4.5.3.2.5: between blocks of data.
SMTP_DATA_TIMEOUT = 300
#: The whole of one message's DATA, against one octet a minute.
SMTP_DATA_TOTAL = 3600
#: Until a client has logged in, where it must.
LOGIN_TIMEOUT = 60
#: RFC 3501 section 5.4: at least 30 minutes.
IMAP_IDLE_TIMEOUT = 30 * 60
#: RFC 1939 section 3: at least 10 minutes.
POP3_IDLE_TIMEOUT = 10 * 60
#: A client that takes nothing of what we send.
SEND_TIMEOUT = 300
#: Sending the last words to a client, and waiting for it to close.
CLOSE_TIMEOUT = 30
#: A proxy is near, and sends its header at once.
PROXY_TIMEOUT = 10
#: A TLS handshake.
TLS_HANDSHAKE_TIMEOUT = 60
#: Sessions get this long to end their command when the server stops.
DRAIN_TIMEOUT = 30
#: A hook or check may think this long.
CHECK_TIMEOUT = 60

# Storage.

#: Content up to this size stays in the database until a checkpoint; above it, files win (measured).
INLINE_CONTENT = 32 * KIB
#: Content up to this size stays in the row after its checkpoint and is served from there.
INLINE_KEPT = 8 * KIB
#: Deliveries that are written inline, of one message; more recipients share one file.
INLINE_RECIPIENTS = 8
#: Content whole in memory while read; larger content is read in pieces.
CONTENT_PIECE = 256 * KIB
#: Inline octets of an account after which a checkpoint does not wait until it is quiet: a burst of mail is over before, and
#: checkpoints beside it take half the disk (measured).
CHECKPOINT_INLINE = 64 * MIB
#: Seconds without a write after which an account is quiet, and its checkpoint harms nobody.
CHECKPOINT_QUIET = 60
#: Contents moved into files with one commit.
CHECKPOINT_BATCH = 32
#: Contents that a checkpoint moves before it looks whether the server is ending: seconds of work.
CHECKPOINT_SLICE = 1024
#: Seconds that expunged messages stay readable for other processes' sessions: twice what an idle IMAP session may sleep.
GARBAGE_AGE = 3600
#: Transactions of one account that the change log tells of; who knows less reads a mailbox anew.
CHANGES_KEPT = 50_000
#: Messages from which a mailbox's snapshot is kept packed, so that it opens at once.
PACKED_FROM = 2000
#: A header block up to this size is kept with what is rendered.
HEADER_KEPT = 16 * KIB
#: Octets of messages that may be rendered on the reactor; more goes to a thread.
RENDERED_AT_ONCE = 64 * KIB
#: Given back when the disk is full, so that EXPUNGE has room to make room.
RESERVE = 8 * MIB
#: Accounts whose databases one process holds open: each costs three descriptors and its cache.
OPEN_ACCOUNTS = 200
#: Seconds after which a database that nobody used is closed.
ACCOUNT_IDLE = 300
#: Seconds between two looks at the mailboxes that sessions wait for: heals news that were lost.
NEWS_CHECK = 30

# Logins.

#: Argon2 work waiting for a thread; more is refused for the moment (each needs 19 MiB).
HASHES_WAITING = 1024
#: Octets of a login name: an address, at its longest.
LOGIN_NAME = LOCAL_PART + 1 + DOMAIN
#: Octets of a password that is looked at.
PASSWORD = 1024
#: Failures from one address, and for one account, before each further try waits.
FAILURES_PER_ADDRESS = 20
FAILURES_PER_ACCOUNT = 10
#: Seconds after which failures are forgotten.
FAILURES_REMEMBERED = 900
#: Seconds that a try waits for the one before it, at most: one guess a minute gets nowhere, and the owner comes in soon.
FAILURE_WAIT_LONGEST = 60
#: Addresses and accounts whose failures are remembered: bounds what an attacker with many addresses can fill.
FAILURES_TRACKED = 10_000
#: Successful logins that are remembered, and for how many seconds: mail clients log in again and again.
LOGINS_REMEMBERED = 10_000
LOGIN_REMEMBERED = 600

#: Work for one imported hash, bearable for a login: KiB and passes of argon2, rounds of SHA-crypt, the exponent of bcrypt's.
ARGON2_MEMORY = 1024 * 1024
ARGON2_PASSES = 50
CRYPT_ROUNDS = 1_000_000
BCRYPT_COST = 15
#: Seconds that a checker of somebody else's may take for one password.
CHECKER_TIMEOUT = 30
#: Iterations that we compute as a client of a server that asks for them (RFC 5802 section 5.1): a seventh of a second, in which
#: nothing else is done.
SCRAM_ITERATIONS = 250_000

# The directory, and news between processes.

#: Seconds between two looks for changes that other processes made and whose notice was lost.
DIRECTORY_CHECK = 30
#: Rows of the directory's change log: nobody who looks every half minute is that far behind.
DIRECTORY_CHANGES = 10_000
#: Octets of one notice: two ids and a number need a tenth of it.
NEWS = 1024

# Disk.

#: Transaction functions that one commit carries: bounds how long the first of them waits for the last.
TRANSACTIONS_PER_COMMIT = 500
#: Seconds for which the room on the disk counts as known: what comes meanwhile is far less than what is kept free.
ROOM_KNOWN = 0.1
#: Seconds between the beginnings of two batches of one account: mail that comes faster shares a commit, and costs a fraction.
LANE_REST = 0.02
#: Deliveries in that time, to all accounts together, beyond which accounts rest at all: below it there is time enough for a commit each.
LANE_BUSY = 16
#: Entries of each small memory of what was worked out lately: an address as it is written, a date, where a client comes from.
LATELY = 256
#: Brief transactions that share a commit: they run on the reactor thread, each for less than 0.1 ms.
BRIEF_TRANSACTIONS = 64
#: Rows that a brief transaction writes at most, each with a few statements.
BRIEF_ROWS = 20
#: Pages in a write-ahead log after which a checkpoint follows the commit, once its results are out.
WAL_PAGES = 1000
#: A log that grew beyond this under long reads is emptied and cut back as soon as nobody reads.
WAL_OVERGROWN_PAGES = 8 * WAL_PAGES
#: Seconds that a database or lock held by somebody else is waited for; then the peer tries again.
DISK_WAIT = 30
#: Seconds between two tries: the first and the longest pause.
DISK_PAUSE_FIRST = 0.0005
DISK_PAUSE_LONGEST = 0.01
#: Octets of staged content that are worth a trip to a thread.
STAGED_PIECE = 64 * KIB
#: Octets of staged content that wait for the disk before the sender waits too.
STAGED_PENDING = 256 * KIB

# Names.

#: What a resolver may send in a datagram: what passes everywhere without fragments (the DNS flag day of 2020; RFC 9715).
DNS_PAYLOAD = 1232
#: Octets of a datagram that are taken, should it send more.
DNS_DATAGRAM = 4096
#: Labels of a name: as many as 255 octets hold, and no more pointers either.
DNS_LABELS = 127
#: Records of one answer: real ones have a few dozen, and each costs time.
DNS_RECORDS = 1000
#: Aliases on the way to a canonical name; resolvers themselves give up between 8 and 16.
DNS_ALIASES = 10
#: Resolvers that are asked in turn; the system's own library asks three.
DNS_RESOLVERS = 8
#: Seconds for one answer, whatever has to be tried for it.
DNS_TIMEOUT = 10
#: Seconds for which a resolver that was silent is asked after the others.
DNS_RESOLVER_REST = 30
#: Queries on their way at a time: each costs a descriptor; more wait.
DNS_IN_FLIGHT = 500
#: Answers that are kept, and octets of one that is: what a hostile zone can fill.
DNS_KEPT = 10_000
DNS_KEPT_ANSWER = 8 * KIB
#: Seconds for which answers are kept at most: records, a definite "no", and that there was no answer.
DNS_KEPT_POSITIVE = 300
DNS_KEPT_NEGATIVE = 60
DNS_KEPT_FAILURE = 5

# Relaying.

#: Connections to other servers at a time, and to one destination.
RELAY_CONNECTIONS = 50
RELAY_CONNECTIONS_PER_DESTINATION = 5
#: Exchangers of a domain that one try may come to, and addresses; RFC 5321 section 5.1 asks for at least two.
RELAY_HOSTS = 5
RELAY_ADDRESSES = 10
#: A reply of another server: octets of a line (RFC 5321 section 4.5.3.1.5 says 512, and some break it), lines, octets in all.
SMTP_REPLY_LINE = 2048
SMTP_REPLY_LINES = 100
SMTP_REPLY = 64 * KIB
#: Characters of a reply that are kept with a recipient.
RELAY_DETAIL = 1000
#: Seconds until a connection is there or not.
RELAY_CONNECT_TIMEOUT = 30
#: Seconds for one whole reply (RFC 5321 section 4.5.3.2): to a command, to DATA, to the end of the content; and for a piece
#: of content to be taken.
RELAY_COMMAND_TIMEOUT = 300
RELAY_DATA_TIMEOUT = 120
RELAY_END_TIMEOUT = 600
RELAY_BLOCK_TIMEOUT = 180
#: Seconds until a session is ready for mail, and for one message, however often its time-outs begin anew: against a server
#: that keeps a connection busy with one line every few minutes.
RELAY_OPEN_TIMEOUT = 900
RELAY_MESSAGE_TIMEOUT = 3600
#: Seconds for the reply to QUIT, and to a RSET between two messages: nothing depends on them.
RELAY_QUIT_TIMEOUT = 5
RELAY_RESET_TIMEOUT = 30
#: TLS sessions of other servers that are kept to be resumed.
TLS_SESSIONS = 1000
#: Recipients of one transaction; RFC 5321 section 4.5.3.1.8: every server takes so many.
RELAY_RECIPIENTS = 100
#: Messages over one connection, so that servers behind one address share the load.
RELAY_MESSAGES_PER_CONNECTION = 100
#: Messages that one connection may carry in a row while other destinations wait for room.
RELAY_TURN = 10
#: Seconds that a connection waits for another message; servers dislike idle clients.
RELAY_IDLE = 5
#: Seconds for which nobody tries again what could not be connected to.
RELAY_REST = 60
#: Places that are remembered so.
RELAY_RESTING = 10_000

# Reports.

#: A message up to this size goes back whole with the report of its failure; of a larger one only the header does.
REPORT_CONTENT = 64 * KIB
#: Octets of a header that goes back, cut between two lines.
REPORT_HEADER = 32 * KIB
#: Recipients that a report speaks of in its words for people; its fields name them all.
REPORT_LISTED = 50
#: Characters of what another server said that are repeated: a reply of a few lines.
REPORT_DIAGNOSTIC = 900
#: Octets of one word or address in a report: with the name of its field it stays below a line's 998.
REPORT_WORD = 900

# HTTP.

#: Seconds a client may be silent.
HTTP_TIMEOUT = 30

# The queue's memory.

#: Characters of a Message-ID that are kept with the envelope: RFC 5322 section 2.1.1 has no longer line.
MESSAGE_ID = 998
#: Events that are kept of one message: a recipient is tried some forty times in five days.
QUEUE_EVENTS = 500
#: Messages that one question for their stories is answered with, and what may be asked for.
STORIES = 20
STORIES_MOST = 1000

# Moving mail in and out.

#: Messages that go into an account in one transaction, and out of it in one trip to the threads: a kill costs so much work at most.
MOVED_AT_ONCE = 100
#: Octets of them that are in memory at once.
MOVED_OCTETS = 8 * MIB
#: Octets of a large message, or of an mbox, that are moved in one piece.
MOVED_PIECE = 1 * MIB
#: Seconds that a backup waits for an account whose checkpoint runs: a large one reads and writes some gigabytes.
BACKUP_WAIT = 300.0
#: Folders within folders that are looked into.
MOVED_DEPTH = 50

# Policies.

#: Accounts whose recipients of the last hour are counted; the one that was quiet longest is forgotten.
RATE_KEYS = 10_000
#: Pieces that a period is counted in: so exact is the end of a wait.
RATE_SLOTS = 60
#: Days for which a rewritten sender (SRS) is good: longer than any queue waits.
SRS_DAYS = 21

# A running server, asked.

#: Seconds between two measurements of the reactor's lag, and how many are kept: those of the last minute.
LAG_INTERVAL = 1.0
LAG_KEPT = 60
#: Octets of one question or answer on the control socket; an answer lists every listener.
CONTROL_LINE = 256 * KIB
#: Seconds a control connection may be silent, and for which an answer is waited for: a reload reads files and binds ports.
CONTROL_TIMEOUT = 60
#: Control connections at a time: one each for a few people and programs.
CONTROL_CONNECTIONS = 16
