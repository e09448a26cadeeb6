"""
A flame graph, drawn as SVG: a box for each function, as wide as the time in which it, or what it called, was seen; its callers below.

Nothing in it needs a script: a box says its name, and the whole of it when the pointer rests on it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from html import escape

from attrs import define, field

from benchmarks.recording import Stacks, room_of

_WIDTH, _ROW, _TOP = 1200, 16, 40
#: Less of the whole than this is not drawn.
_LEAST = 0.002
#: Points for a letter.
_LETTER = 6.2
#: Hues of functions of the house begin here, those of Twisted there; the others are grey.
_HOUSE, _TWISTED = 10, 200


@define
class Box:
    """
    A function in the place from which it was called.
    """

    count: int = 0
    above: dict[str, Box] = field(factory=dict)

    def add(self, stack: tuple[str, ...], count: int) -> None:
        """
        One more stack.
        """
        box = self
        box.count += count
        for frame in stack:
            box = box.above.setdefault(frame, Box())
            box.count += count

    def depth(self, least: float) -> int:
        """
        Boxes on one another.
        """
        return 1 + max((one.depth(least) for one in self.above.values() if one.count >= least), default=0)


def draw(title: str, stacks: Stacks) -> str:
    """
    All of it.
    """
    root = Box()
    for stack, count in stacks.items():
        root.add(stack, count)
    least = root.count * _LEAST
    height = _TOP + _ROW * root.depth(least)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height + 8}"'
            ' font-family="monospace" font-size="10">',
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="8" y="20" font-size="14">{escape(title)}: {root.count:,} samples</text>',
            *_boxes(root, "all", 0.0, height, least, _WIDTH / max(root.count, 1), root.count),
            "</svg>",
            "",
        ]
    )


def _boxes(box: Box, name: str, x: float, y: float, least: float, scale: float, total: int) -> Iterator[str]:
    width = box.count * scale
    function, _, place = name.partition(" (")
    where = f" ({place}" if place else ""
    label = escape(function[: int((width - 4) / _LETTER)]) if width > 3 * _LETTER else ""
    share = f"{100 * box.count / max(total, 1):.1f} %"
    yield (
        f'<g><title>{escape(function + where)}, {share}</title><rect x="{x:.1f}" y="{y - _ROW:.0f}" width="{max(width - 0.5, 0.5):.1f}"'
        f' height="{_ROW - 1}" fill="{_colour(name)}"/>'
        + (f'<text x="{x + 2:.1f}" y="{y - 5:.0f}">{label}</text>' if label else "")
        + "</g>"
    )
    for frame, one in sorted(box.above.items()):
        if one.count >= least:
            yield from _boxes(one, frame, x, y - _ROW, least, scale, total)
        x += one.count * scale


def _colour(frame: str) -> str:
    """
    One for each room.
    """
    room = room_of(frame)
    if room is None:
        return "hsl(0,0%,82%)"
    spread = zlib.crc32(room.encode()) % 12
    return (
        f"hsl({_TWISTED + 3 * spread},55%,78%)"
        if room.startswith("twisted")
        else f"hsl({_HOUSE + 10 * spread},75%,70%)"
    )
