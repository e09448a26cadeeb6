"""
The plot: a bar for each ratio, on a logarithmic scale, drawn as SVG.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.measuring import Result

_LEFT, _WIDTH, _ROW, _TOP = 380, 560, 22, 50
#: The scale's ends.
_LEAST, _MOST = 1 / 16, 64
_MET, _SHORT, _PLAIN = "#3a7d44", "#c0392b", "#7f8c8d"


def draw(results: Sequence[Result]) -> str:
    """
    Bars begin at 1, where both are equal; a tick on a bar is its target, a line its spread.
    """
    height = _TOP + _ROW * len(results) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 70}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="18">times as good as the peer (medians of alternating runs; right is better)</text>',
    ]
    for power in range(-4, 7):
        x = _place(2.0**power)
        label = f"{2**power}" if power >= 0 else f"1/{2**-power}"
        stroke = "#000" if power == 0 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{height - 24}" stroke="{stroke}"/>')
        parts.append(f'<text x="{x:.1f}" y="{_TOP - 14}" text-anchor="middle" fill="#555">{label}</text>')
    for number, one in enumerate(results):
        parts += _bar(one, _TOP + number * _ROW)
    return "\n".join([*parts, "</svg>", ""])


def _bar(one: Result, y: float) -> list[str]:
    colour = _PLAIN if one.metric.target is None else _SHORT if one.falls_short else _MET
    start, end = sorted((_place(1), _place(one.ratio)))
    middle = y + _ROW / 2 - 2
    title = escape(f"{one.metric.title} ({one.peer})")
    parts = [
        f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{title}</text>',
        f'<rect x="{start:.1f}" y="{y + 2}" width="{max(end - start, 1):.1f}" height="{_ROW - 8}" fill="{colour}"/>',
        f'<line x1="{_place(min(one.ratios)):.1f}" y1="{middle}" x2="{_place(max(one.ratios)):.1f}" y2="{middle}" stroke="#000"/>',
        f'<text x="{_LEFT + _WIDTH + 8}" y="{y + 13}">{one.ratio:.2f}</text>',
    ]
    if one.metric.target is not None:
        x = _place(one.metric.target)
        parts.append(f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + _ROW - 4}" stroke="#000" stroke-width="2"/>')
    return parts


def _place(ratio: float) -> float:
    part = math.log(min(max(ratio, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    return _LEFT + part * _WIDTH
