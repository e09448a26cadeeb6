"""
Mail as people have it, the same at every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

#: Each stands in the subject, and in the text, of one message of a hundred, another for each.
NEEDLES = ("rhododendron", "hydrangea", "snapdragon")

_LINE = "The quick brown fox jumps over the lazy dog, and nobody minds at all.\r\n"


def is_multipart(number: int) -> bool:
    """
    Whether that message has an attachment.
    """
    return number % 3 == 0


@cache
def message(number: int) -> bytes:
    """
    About 2 KiB; one of three has an attachment, three of a hundred a rare word.
    """
    place = number % 100
    rare = f" {NEEDLES[place]}" if place < len(NEEDLES) else ""
    header = (
        f"Return-Path: <sender{number % 97}@example.net>\r\n"
        f"Received: from mx.example.net (mx.example.net [192.0.2.1]) by mail.example.org with ESMTPS id {number:08d};"
        f" Tue, 3 Nov 2026 10:{number // 60 % 60:02d}:{number % 60:02d} +0100\r\n"
        f"From: Sender Number {number % 97} <sender{number % 97}@example.net>\r\n"
        f"To: Reader <u0@example.org>, Other <other{number % 13}@example.org>\r\n"
        f"Subject: Message {number} about{rare} everything\r\n"
        f"Date: Tue, 3 Nov 2026 10:{number // 60 % 60:02d}:{number % 60:02d} +0100\r\n"
        f"Message-ID: <{number}.bench@example.net>\r\n"
        "MIME-Version: 1.0\r\n"
    )
    text = _LINE * 10 + (f"A{rare} is here.\r\n" if rare else "") + _LINE * 8
    if not is_multipart(number):
        return (header + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + text).encode()
    return (
        header + 'Content-Type: multipart/mixed; boundary="=_b"\r\n\r\n'
        "--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n--=_b\r\n"
        'Content-Type: application/octet-stream; name="a.bin"\r\n'
        'Content-Disposition: attachment; filename="a.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + ("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx\r\n" * 6)
        + "\r\n--=_b--\r\n"
    ).encode()


def batches(count: int, size: int = 100) -> Iterator[list[bytes]]:
    """
    So many messages, as many at a time as one APPEND takes.
    """
    for start in range(0, count, size):
        yield [message(number) for number in range(start, min(start + size, count))]
