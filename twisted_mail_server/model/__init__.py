"""
The words of mail as frozen values: address, envelope, reply, error, flags, sequence sets, queue.

Floor 0.  Standard library and attrs only; nothing here does anything but compute.  Start with
L{twisted_mail_server.model.addresses} and L{twisted_mail_server.model.errors}.
"""
