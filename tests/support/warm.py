"""
C{mailctl}, loaded once: a process that has imported the program forks for each call, which then takes a fifth of the time.

    python -m tests.support.warm SOCKET

What is called is C{main} of the console script, in a process of its own with the caller's arguments, folder, variables and
files.  It ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import traceback
from pathlib import Path

#: Passes a call on.  A server is not one of them: it is to be what it always is.
_CALL = """#!{python} -ISE
import json, os, socket, sys
if "serve" in sys.argv:
    os.execv("{real}", ["{real}", *sys.argv[1:]])
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
    one.connect("{socket}")
    call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(one, [len(call).to_bytes(4, "big")], [0, 1, 2])
    one.sendall(call)
    sys.exit(int(one.recv(10) or b"1"))
"""


class WarmMailctl:
    """
    That process, from outside.
    """

    def __init__(self, folder: Path) -> None:
        # A path in /tmp, for that of a socket may not be long.
        self._socket = folder / "mailctl.sock"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm", str(self._socket)],
            cwd=Path(__file__).resolve().parent.parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("mailctl cannot be loaded.")

    def script(self, place: Path) -> None:
        """
        Write a C{mailctl} there that passes calls on.
        """
        real = Path(sys.executable).parent / "mailctl"
        # The interpreter itself: a virtual environment is of no use to it, and costs time.
        python = Path(sys.executable).resolve()
        place.write_text(_CALL.format(python=python, real=real, socket=self._socket))
        place.chmod(0o755)

    def close(self) -> None:
        """
        End it.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def main(path: str) -> None:
    """
    Take calls until standard input ends.
    """
    # All that a call would import; but no reactor, for each process has its own.
    import twisted.internet.epollreactor  # noqa: F401

    import twisted_mail_server.app.command
    import twisted_mail_server.app.wire  # noqa: F401

    assert "twisted.internet.reactor" not in sys.modules
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    _answer(connection)
            _bury()


def _answer(connection: socket.socket) -> None:
    """
    In a process of its own: fork again, do the call, and tell its status.
    """
    length, files, _, _ = socket.recv_fds(connection, 4, 3)
    call = b""
    while len(call) < int.from_bytes(length, "big"):
        call += connection.recv(65536)
    number = os.fork()
    if number:
        status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        connection.sendall(str(status).encode())
        os._exit(0)
    status = 1
    try:
        arguments, folder, variables = json.loads(call)
        for here, file in enumerate(files):
            os.dup2(file, here)
            os.close(file)
        connection.close()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        status = _call(arguments)
    except BaseException:  # noqa: BLE001 - what is not told here is told nowhere
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _call(arguments: list[str]) -> int:
    from twisted_mail_server.app.command import main as mailctl

    sys.argv = ["mailctl", *arguments]
    try:
        mailctl()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _bury() -> None:
    """
    Forget those that have ended.
    """
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    main(sys.argv[1])
