"""
A handler for aiosmtpd, as its own documentation shows one, and the two lines that run it here.
"""

from twisted_mail_server.app.plugins import MailPlugin
from twisted_mail_server.delivery.adapters.aiosmtpd import AiosmtpdHandler


class ExampleHandler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if not address.endswith("@example.com"):
            return "550 not relaying to that domain"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        print(f"Message from {envelope.mail_from}")
        print(f"Message for {envelope.rcpt_tos}")
        print("Message data:\n")
        for line in envelope.content.decode("utf8", errors="replace").splitlines():
            print(f"> {line}".strip())
        return "250 Message accepted for delivery"


plugin = MailPlugin(
    "example-handler", lambda settings, services: AiosmtpdHandler(ExampleHandler(), services.hostname, takes=True)
)
