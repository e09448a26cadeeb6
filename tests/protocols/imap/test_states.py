"""
Which command may come when (RFC 3501 section 3).
"""

from __future__ import annotations

from tests.support.imap import ImapTestCase
from twisted_mail_server.protocols.imap.registry import IMAP
from twisted_mail_server.protocols.imap.states import State


class StateTests(ImapTestCase):
    """
    Every command in every state.
    """

    enters = False

    def answer(self, state: State, name: bytes) -> bytes:
        """
        What the server says to a command without arguments in that state.
        """
        line = self.connect()
        if state is not State.NOT_AUTHENTICATED:
            line.receive(b"x LOGIN fred secret\r\n")
        if state is State.SELECTED:
            line.receive(b"y SELECT INBOX\r\n")
        self.assertIs(state, line.conversation.session.state)
        line.take()
        line.receive(b"z " + name + b"\r\n")
        return line.take()

    def test_every_pair(self) -> None:
        """
        A command in the wrong state is BAD, and says why; in the right one it is read.
        """
        for name, command in IMAP.commands.items():
            for state in (State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED):
                refused = b"z BAD [CLIENTBUG] %b cannot come %b.\r\n" % (name, state.value.encode())
                self.assertEqual(state not in command.states, self.answer(state, name) == refused, (name, state))

    def test_all_of_the_standard(self) -> None:
        """
        The commands of RFC 3501 section 9 may come when it says.
        """
        anytime = {State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED}
        entered = {State.AUTHENTICATED, State.SELECTED}
        for names, states in (
            (b"CAPABILITY,LOGOUT,NOOP", anytime),
            (b"LOGIN,AUTHENTICATE,STARTTLS", {State.NOT_AUTHENTICATED}),
            (b"APPEND,CREATE,DELETE,EXAMINE,LIST,LSUB,RENAME,SELECT,STATUS,SUBSCRIBE,UNSUBSCRIBE", entered),
            (
                b"CHECK,CLOSE,EXPUNGE,COPY,FETCH,STORE,SEARCH,UID COPY,UID FETCH,UID STORE,UID SEARCH",
                {State.SELECTED},
            ),
        ):
            for name in names.split(b","):
                self.assertEqual(states, IMAP.commands[name].states, name)

    def test_after_logout(self) -> None:
        """
        After LOGOUT nothing is read any more.
        """
        line = self.connect()
        line.receive(b"a LOGOUT\r\nb NOOP\r\n")
        self.assertEqual(b"* BYE Until next time.\r\na OK Logged out.\r\n", line.take())
        self.assertIs(State.LOGOUT, line.conversation.session.state)
        line.receive(b"c NOOP\r\n")
        self.assertEqual(b"", line.take())
