"""
C{twistd mailserver}.
"""

from twisted.application.service import ServiceMaker

mailserver = ServiceMaker(
    "Twisted Mail Server",
    "twisted_mail_server.app.service",
    "A complete mail server: receives, delivers, keeps and serves mail.",
    "mailserver",
)
