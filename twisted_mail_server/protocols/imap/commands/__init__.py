"""
The commands of RFC 3501, one file a group.

Each is a C{Command}: a reader that turns a cursor into arguments, and a coroutine that does it.  The registry lists them.
"""
