"""
What the figures were made on: processor, memory, disk.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from pathlib import Path

#: Seconds for which the disk is tried.
_TRIAL = 1.0
#: Above this other programs ran too.
QUIET = 0.5


def processor() -> str:
    """
    Its model, and how many there are.
    """
    found = re.search(r"(?m)^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} x {found[1].strip() if found else 'a processor that does not say its name'}"


def memory() -> str:
    """
    All there is.
    """
    found = re.search(r"(?m)^MemTotal: +([0-9]+) kB$", Path("/proc/meminfo").read_text())
    return f"{int(found[1]) / 2**20:.1f} GiB" if found else "unknown"


def disk(folder: Path) -> str:
    """
    Its kind and file system, and what a sync costs on it: 4 KiB written at the end of a file, and synced, for a second.
    """
    times = _sync_times(folder)
    middle = statistics.median(times) * 1e6
    return f"{_kind(folder)}; 4 KiB written and synced {len(times) / sum(times):,.0f} times a second (median {middle:,.0f} us)"


def _sync_times(folder: Path) -> list[float]:
    place, block, times = folder / f"sync-trial-{os.getpid()}", bytes(4096), []
    deadline = time.monotonic() + _TRIAL
    try:
        with open(place, "wb", buffering=0) as file:
            while (start := time.monotonic()) < deadline:
                file.write(block)
                os.fsync(file.fileno())
                times.append(time.monotonic() - start)
    finally:
        place.unlink(missing_ok=True)
    return times


def _kind(folder: Path) -> str:
    """
    By C{/proc/self/mountinfo} and C{/sys}.
    """
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    system = source = "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, tail = line.partition(" - ")
        if fields.split()[2] == number:
            system, source = tail.split()[:2]
    try:
        place = Path(f"/sys/dev/block/{number}").resolve()
        queue = next(one / "queue" for one in (place, place.parent) if (one / "queue").exists())
        # A virtual one does not know what it is made of.
        is_virtual, turns = "/virtio" in str(place), (queue / "rotational").read_text().strip()
        made = "a virtual disk" if is_virtual else "a disk that turns" if turns == "1" else "a disk that does not turn"
        cache = f", {(queue / 'write_cache').read_text().strip()} cache"
    except (OSError, StopIteration):
        made, cache = "no disk of its own", ""
    return f"{system} on {source}, {made}{cache}"
