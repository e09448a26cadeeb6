"""
The commands of RFC 3501.
"""
