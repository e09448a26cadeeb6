"""
Tests against the real server on real sockets of loopback.
"""
