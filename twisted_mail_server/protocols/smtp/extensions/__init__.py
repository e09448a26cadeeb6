"""
ESMTP extensions, one a file; none knows another.  To add one, write its file and its line in the registry.
"""
