"""
What a server does while it works: stacks that C{py-spy} takes of it, and sums of them.

A thread counts while it runs, and mostly also while it waits for the disk, which C{py-spy} takes for the same; not while it waits
for anything else.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from benchmarks.measuring import cpu_of, cpu_of_first_thread

#: Installed by C{benchmarks/install.py profiler}.
SPY = Path(sys.executable).parent / "py-spy"
#: Stacks a second.
RATE = 250
#: Seconds until it has looked at the process for the first time, and until it has written what it found.
_PATIENCE = 60

#: A stack from its thread down, and how often it was seen.
Stacks = Mapping[tuple[str, ...], int]

_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]*?)(?::[0-9]+)?\)$")
_THREAD = re.compile(r'^thread \([^)]*\)(?:: )?"?|"$')
_GENERATED = re.compile(r"<attrs generated \w+ (?P<module>[\w.]+)\.\w+>")
#: Rooms that are more than one package deep.
_DEEPER = ("protocols",)
#: Where the reactor waits for a peer; seen there when it has just been woken, or has not got a processor yet.
_WAITING = re.compile(r"(.*\.)?\w+Reactor\.doPoll \(")
#: Where threads hand work to each other, and wait for their turn.
_BETWEEN = (
    "disk/workers.py)",
    "threading.py)",
    "queue.py)",
    "twisted/_threads/_threadworker.py)",
    "twisted/_threads/_team.py)",
)
#: Where the kernel is asked to send and receive.
_SOCKETS = ("servers/prompt.py)", "twisted/internet/tcp.py)", "untilConcludes (twisted/python/util.py)")


@define
class Recording:
    """
    A recording that goes on, and then has stacks.
    """

    text: str = ""
    #: Seconds of the processor meanwhile: of all threads, and of the first alone.
    processor: float = 0.0
    first_thread: float = 0.0

    @property
    def stacks(self) -> Stacks:
        """
        What was seen.
        """
        return read_stacks(self.text)


@contextlib.contextmanager
def recording(process_id: int) -> Iterator[Recording]:
    """
    Watch a process while the block runs.

    @raise RuntimeError: that is not possible.
    """
    if not SPY.exists():
        raise RuntimeError(f"There is no {SPY}: please run benchmarks/install.py profiler.")
    found = Recording()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "stacks"
        command: list[str | Path] = [
            SPY,
            *("record", "--pid", str(process_id), "--rate", str(RATE), "--duration", "3600"),
            *("--format", "raw", "--function", "--threads", "--nonblocking", "--output"),
            place,
        ]
        with open(Path(folder) / "said", "w+") as said, subprocess.Popen(command, stdout=said, stderr=said) as spy:
            try:
                _wait_until_sampling(spy, Path(said.name))
                before = cpu_of(process_id), cpu_of_first_thread(process_id)
                yield found
                found.processor = cpu_of(process_id) - before[0]
                found.first_thread = cpu_of_first_thread(process_id) - before[1]
            finally:
                if spy.poll() is None:
                    spy.send_signal(signal.SIGINT)
                spy.wait(_PATIENCE)
            if not place.exists():
                raise RuntimeError(f"py-spy has nothing:\n{Path(said.name).read_text()}")
            found.text = place.read_text()


def _wait_until_sampling(spy: subprocess.Popen[bytes], said: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while "Sampling process" not in said.read_text():
        if spy.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"py-spy did not start:\n{said.read_text()}")
        time.sleep(0.05)


def read_stacks(text: str) -> Stacks:
    """
    Of collapsed stacks, with the numbers of lines and threads left out: threads of one pool are one.
    """
    found: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        found[(thread_name(thread), *map(_without_line, frames))] += int(count)
    return found


def thread_name(frame: str) -> str:
    """
    >>> thread_name('thread (0x7F0A): "PoolThread-twisted.internet.reactor-3"')
    'PoolThread-twisted.internet.reactor'
    """
    name = re.sub(r"[-_ ]*(\([^)]*\)|[0-9]+)", "", _THREAD.sub("", frame))
    return name or "thread"


def _without_line(frame: str) -> str:
    found = _FRAME.match(frame)
    return f"{found['function']} ({found['file']})" if found else frame


def room_of(frame: str) -> str | None:
    """
    The part of the house, or of Twisted, that a frame is in; L{None} of another library.
    """
    found = _FRAME.match(frame)
    if not found:
        return None
    file = found["file"]
    generated = _GENERATED.match(file)
    if generated:
        file = generated["module"].replace(".", "/") + ".py"
    parts = file.removesuffix(".py").split("/")
    if "twisted_mail_server" in parts:
        inside = parts[parts.index("twisted_mail_server") + 1 :]
        return ".".join(inside[: 2 if inside[0] in _DEEPER else 1])
    if "twisted" in parts:
        return "twisted.logger" if "logger" in parts else "twisted"
    return None


def room_of_stack(stack: Sequence[str]) -> str:
    """
    The innermost room: what a library does counts for who called it; but not what passes between threads, what the kernel does with
    sockets, and the wait for a peer.
    """
    last = stack[-1]
    if _WAITING.match(last):
        return "waiting"
    if last.endswith(_BETWEEN):
        return "threads"
    if last.endswith(_SOCKETS):
        return "sockets"
    return next((room for frame in reversed(stack) if (room := room_of(frame))), "other")


@define
class Summary:
    """
    Where the time went, in samples.
    """

    samples: int
    #: Seconds of the processor, of all threads and of the first alone.
    processor: float
    first_thread: float
    rooms: dict[str, int] = field(factory=dict)
    threads: dict[str, int] = field(factory=dict)
    #: The heaviest functions: by what they did themselves, and, those of the house, with all that they called.
    itself: dict[str, int] = field(factory=dict)
    inclusive: dict[str, int] = field(factory=dict)

    @classmethod
    def of(cls, found: Recording, most: int = 10) -> Summary:
        """
        Of what was seen.
        """
        stacks = found.stacks
        rooms, threads, itself, inclusive = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        for stack, count in stacks.items():
            rooms[room_of_stack(stack)] += count
            threads[stack[0]] += count
            itself[stack[-1]] += count
            for frame in set(stack):
                # The reactor has called everything.
                if "twisted_mail_server/" in frame and not _WAITING.match(frame):
                    inclusive[frame] += count
        return cls(
            sum(stacks.values()),
            round(found.processor, 2),
            round(found.first_thread, 2),
            dict(rooms.most_common()),
            dict(threads.most_common()),
            dict(itself.most_common(most)),
            dict(inclusive.most_common(most)),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Summary:
        """
        As C{attrs.asdict} wrote it.
        """
        return cls(**values)

    def share(self, count: int) -> str:
        """
        In percent.
        """
        return f"{100 * count / max(self.samples, 1):.0f} %"

    def heaviest_rooms(self, most: int) -> str:
        """
        With their shares.
        """
        return ", ".join(f"{room} {self.share(count)}" for room, count in list(self.rooms.items())[:most])
