"""
Other people's programs against the real server.  C{make interop} installs them from Debian's packages and runs this.
"""
