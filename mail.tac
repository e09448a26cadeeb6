"""
C{twistd -ny mail.tac}: the mail server; C{MAIL_CONFIG}, else C{mail.toml} here, else nothing need be configured.
"""

from twisted.application.service import Application, IServiceCollection

from twisted_mail_server.app.service import Options, makeService

application = Application("mail")
IServiceCollection(application).addService(makeService(Options()))
