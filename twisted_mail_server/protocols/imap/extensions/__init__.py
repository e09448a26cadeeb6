"""
What IMAP has learnt since RFC 3501, one file an extension, none of which knows another.

Each is one C{Extension} value; the registry has one line for it.
"""
