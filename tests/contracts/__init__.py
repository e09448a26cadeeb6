"""
Contract tests: whoever implements an interface inherits its tests.
"""
