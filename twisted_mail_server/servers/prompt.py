"""
A TCP transport that sends at once what is short.

Twisted's own keeps all that is written for the reactor's next round, in which it asks to be told when the socket takes something, sends,
and asks to be told no more.  A reply of some octets nearly always fits into the socket's own buffer, and then all of that can be spared.
"""

from __future__ import annotations

from twisted.internet.tcp import Port, Server

from twisted_mail_server.model import limits


class PromptServer(Server):
    """
    The server's end of a TCP connection.
    """

    #: All that a session has waiting goes to the kernel in one call, as far as that takes it: the client reads while more is made.
    SEND_LIMIT = 2 * limits.PENDING_OUTPUT

    def write(self, data: bytes) -> None:
        """
        Send now what may be sent now, and keep the rest.  What is long is left to the reactor: it goes on when all others have had
        their turn.
        """
        if 0 < len(data) <= limits.PROMPT_OUTPUT and self.connected and self._is_clear:
            try:
                sent = self.socket.send(data)
            except OSError:
                # Not now, or never again: the reactor finds out which.
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)  # type: ignore[no-untyped-call]

    @property
    def _is_clear(self) -> bool:
        """
        Whether nothing waits to be sent before, and no layer comes between.
        """
        return not (self.TLS or self._tempDataLen or self.dataBuffer)


def answer_promptly(port: object) -> None:
    """
    Have the connections that a listening port takes from now on answer at once, if it is of TCP.
    """
    if isinstance(port, Port) and port.transport is Server:
        port.transport = PromptServer
