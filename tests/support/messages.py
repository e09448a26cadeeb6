"""
Messages for tests: the corpus, and awkward ones from a seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

CORPUS = Path(__file__).parent.parent / "corpora" / "messages"

#: RFC 5322 section 2.1.1: what a line may hold, so that SMTP carries it.
LONGEST_LINE = 998

#: A message as its lines, without line ends.
Lines = list[bytes]


def corpus_messages() -> dict[str, bytes]:
    """
    The sample messages by name.
    """
    return {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*.eml"))}


def corpus_answers() -> dict[str, dict[str, bytes]]:
    """
    What the reference server answered: C{envelope} and C{bodystructure}.
    """
    loaded = json.loads((CORPUS / "expected.json").read_text())
    return {
        name: {key: answer[key].encode("latin-1") for key in ("envelope", "bodystructure")}
        for name, answer in loaded.items()
    }


def awkward_messages(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """
    Messages that are hard to read and fit to travel by SMTP: every line ends
    with CRLF, the last one too, none is longer than L{LONGEST_LINE}, and there
    is neither NUL nor a lone CR or LF.

    The same count and seed give the same messages.  Each kind comes before
    any comes twice.
    """
    chance = random.Random(seed)
    kinds = list(_KINDS.items())
    for number in range(count):
        name, make = kinds[number % len(kinds)]
        lines = make(chance)
        yield f"{name}-{number}", b"".join(line[:LONGEST_LINE] + b"\r\n" for line in lines)


def odd_messages(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """
    Messages without NUL that only APPEND can bring: bare LF, bare CR, mixed
    line ends, no line end at the end, nothing at all.
    """
    chance = random.Random(seed)
    yield "empty", b""
    yield "lonely-lf", b"\n"
    yield "lonely-cr", b"\r"
    for name, message in awkward_messages(count, seed):
        match chance.randrange(5):
            case 0:
                yield f"lf-{name}", message.replace(b"\r\n", b"\n")
            case 1:
                yield f"cr-{name}", message.replace(b"\r\n", b"\r")
            case 2:
                ends = (b"\r\n", b"\n", b"\r\n", b"\r", b"\n\r")
                yield f"mixed-{name}", b"".join(line + chance.choice(ends) for line in message.split(b"\r\n"))
            case 3:
                yield f"unended-{name}", message.rstrip(b"\r\n")
            case _:
                yield f"cut-{name}", message[: chance.randrange(len(message))]


# --- the pieces -----------------------------------------------------------------------------------------------------

_WORDS = b"ambling birch copper dew ember fallow gravel heather inkwell juniper kettle lantern".split()


def _sentence(chance: random.Random, words: int = 8) -> bytes:
    return b" ".join(chance.choice(_WORDS) for _ in range(words)).capitalize() + b"."


def _boundary(chance: random.Random) -> bytes:
    return chance.choice(
        [
            b"b%08x" % chance.getrandbits(32),
            b"=_%x?%x" % (chance.getrandbits(40), chance.getrandbits(16)),
            b"--%x" % chance.getrandbits(24),
            b"with spaces %x" % chance.getrandbits(20),
            b"'()+_,-./:=?",
            b"x" * 70,
        ]
    )


def _header(chance: random.Random, *more: bytes) -> Lines:
    """
    An ordinary header, its fields in any order.
    """
    who = chance.choice(_WORDS)
    lines = [
        b"From: %b <%b@example.org>" % (who.capitalize(), who),
        b"To: %b@example.net, %b@example.com" % (chance.choice(_WORDS), chance.choice(_WORDS)),
        b"Subject: " + _sentence(chance, 4),
        b"Date: Mon, %d Feb 2026 10:%02d:00 +0100" % (chance.randrange(1, 28), chance.randrange(60)),
        b"Message-ID: <%x@example.org>" % chance.getrandbits(64),
        b"MIME-Version: 1.0",
    ]
    chance.shuffle(lines)
    return lines + list(more)


def _body(chance: random.Random) -> Lines:
    return [_sentence(chance) if chance.random() < 0.8 else b"" for _ in range(chance.randrange(1, 6))]


def _part(chance: random.Random, depth: int = 0) -> Lines:
    """
    One part with its header, perhaps with parts of its own.
    """
    pick = chance.randrange(8)
    if pick == 0 and depth < 4:
        return _multipart(chance, depth + 1)
    if pick == 1:
        inner = _header(chance) + [b""] + _body(chance)
        return [b"Content-Type: message/rfc822", b""] + inner
    if pick == 2:
        return [
            b'Content-Type: application/octet-stream; name="a;b\\"c.bin"',
            b"Content-Transfer-Encoding: base64",
            b"Content-Disposition: attachment;",
            b"\tfilename*0*=utf-8''gr%C3%BC; filename*1=\"ss e.bin\"",
            b"",
            b"SGVsbG8sIHdvcmxkIQ==",
        ]
    if pick == 3:
        return [
            b"Content-Type: text/html; charset=iso-8859-1",
            b"Content-Transfer-Encoding: quoted-printable",
            b"Content-ID: <%x@example.org>" % chance.getrandbits(32),
            b"Content-Language: de, en-GB",
            b"Content-Location: http://example.org/a",
            b"Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==",
            b"",
            b"<p>gr=FC=DFe</p>",
        ]
    if pick == 4:
        return [b""] + _body(chance)
    return [b"Content-Type: text/plain", b""] + _body(chance)


def _multipart(chance: random.Random, depth: int = 0, subtype: bytes = b"mixed") -> Lines:
    """
    A multipart with its header and its end.
    """
    boundary = _boundary(chance)
    lines = [b'Content-Type: multipart/%b; boundary="%b"' % (subtype, boundary), b""]
    if chance.random() < 0.3:
        lines += [b"A preamble.", b""]
    for _ in range(chance.randrange(1, 4)):
        lines += [b"--" + boundary, *_part(chance, depth)]
    lines.append(b"--" + boundary + b"--")
    if chance.random() < 0.3:
        lines += [b"", b"An epilogue."]
    return lines


# --- the kinds ------------------------------------------------------------------------------------------------------


def _plain(chance: random.Random) -> Lines:
    return _header(chance) + [b""] + _body(chance)


def _nested(chance: random.Random) -> Lines:
    return _header(chance) + _multipart(chance)


def _unended(chance: random.Random) -> Lines:
    lines = _multipart(chance)
    return _header(chance) + lines[:-1]


def _deep(chance: random.Random) -> Lines:
    lines: Lines = [b"Content-Type: text/plain", b"", b"The innermost."]
    for level in range(chance.randrange(3, 80)):
        boundary = b"level%d" % level
        end = [b"--" + boundary + b"--"] if chance.random() < 0.8 else []
        lines = [b"Content-Type: multipart/mixed; boundary=" + boundary, b"", b"--" + boundary, *lines, *end]
    return _header(chance) + lines


def _same_boundary(chance: random.Random) -> Lines:
    inner = [
        b"Content-Type: multipart/alternative; boundary=B",
        b"",
        b"--B",
        b"",
        b"one",
        b"--B",
        b"",
        b"two",
        b"--B--",
    ]
    return _header(
        chance, b"Content-Type: multipart/mixed; boundary=B", b"", b"--B", *inner, b"--B", b"", b"3", b"--B--"
    )


def _prefix_boundary(chance: random.Random) -> Lines:
    inner = [
        b"Content-Type: multipart/mixed; boundary=outer-inner",
        b"",
        b"--outer-inner",
        b"",
        b"x",
        b"--outer-inner--",
    ]
    return _header(
        chance,
        b"Content-Type: multipart/mixed; boundary=outer",
        b"",
        b"--outer",
        *inner,
        b"--outer",
        b"",
        b"y",
        b"--outer--",
    )


def _boundary_in_preamble(chance: random.Random) -> Lines:
    return _header(
        chance,
        b"Content-Type: multipart/mixed; boundary=edge",
        b"",
        b"Not --edge here, nor",
        b" --edge there, but",
        b"--edge \t ",
        b"Content-Type: text/plain",
        b"",
        b"here.",
        b"--edge--trailing",
        b"--edge",
        b"",
        b"behind the end",
    )


def _empty_parts(chance: random.Random) -> Lines:
    return _header(
        chance, b"Content-Type: multipart/mixed; boundary=e", b"", *[b"--e"] * chance.randrange(1, 6), b"--e--"
    )


def _no_parts(chance: random.Random) -> Lines:
    return _header(chance, b"Content-Type: multipart/mixed; boundary=none", b"", *_body(chance))


def _no_boundary(chance: random.Random) -> Lines:
    return _header(chance, b"Content-Type: multipart/mixed", b"", b"--", b"", *_body(chance), b"----")


def _message_in_message(chance: random.Random) -> Lines:
    lines = _plain(chance)
    for _ in range(chance.randrange(1, 70)):
        lines = [b"Content-Type: message/rfc822", b"Subject: " + _sentence(chance, 2), b"", *lines]
    return lines


def _digest(chance: random.Random) -> Lines:
    return _header(
        chance,
        b"Content-Type: multipart/digest; boundary=d",
        b"",
        b"--d",
        b"",
        *_plain(chance),
        b"--d",
        b"Content-Type: text/plain",
        b"",
        b"No message.",
        b"--d",
        b"",
        *_header(chance),
        *_multipart(chance),
        b"--d--",
    )


def _eight_bit(chance: random.Random) -> Lines:
    return [
        b"From: J\xfcrgen <juergen@example.org>",
        "To: Grüße <grüße@example.org>".encode(),
        b"Subject: \xe4\xf6\xfc\xff",
        b"X-\xe9: \x80",
        b'Content-Type: text/plain; charset=\xfe; name="\xfc.txt"',
        b"Content-Description: \xdf",
        b"",
        bytes(octet for octet in range(1, 256) if octet not in b"\r\n"),
    ]


def _encoded_words(chance: random.Random) -> Lines:
    return _header(
        chance,
        b"From: =?utf-8?Q?J=C3=BCrgen?= =?iso-8859-1?b?TfxsbGVy?= <j@example.org>",
        b'Cc: "=?utf-8?Q?not_here?=" <c@example.org>, (=?x?Q?y?=) d@example.org',
        b"Subject: =?utf-8?B?w6TDtsO8?=",
        b" =?no-such?Q?=41?= =?utf-8?X?broken?= =?utf-8?Q?=ZZ?=",
        b"",
        *_body(chance),
    )


def _extended_parameters(chance: random.Random) -> Lines:
    return _header(
        chance,
        b"Content-Type: application/x; name*1=b; name*0*=utf-8''a%20; other*2=lost; plain=a/b(comment);",
        b' quoted="a\\"b";; =novalue; empty=; boundary*=us-ascii\'\'zz',
        b"Content-Disposition: (comment) attachment (more (nested)) ; filename*=UTF-8'en'%e2%82%ac.txt",
        b"",
        *_body(chance),
    )


def _groups(chance: random.Random) -> Lines:
    return [
        b'From: A (comment (nested) \\) ) Group: a@example.org, "B, C" <b.c@example.org>;, d@example.org',
        b"To: undisclosed-recipients:;",
        b"Cc: open group: x@example.org, <@a.example,@b.example:routed@example.org>",
        b'Bcc: <>, <broken, @example.org, local, "quo\\"ted local"@[192.0.2.1], a . b @ example . org,,;:>',
        b"Sender: ",
        b'Reply-To: "unclosed <x@example.org>',
        b"Subject: " + _sentence(chance),
        b"",
        *_body(chance),
    ]


def _odd_dates(chance: random.Random) -> Lines:
    date = chance.choice(
        [
            b"Fri, 20 Apr 2001 20:18:00 -0400 (EDT)",
            b"1 Jan 70 0:0 Z",
            b"31 Feb 2026 10:00:00 +0000",
            b"Mon Feb  2 10:00:00 2026",
            b"Mon,\t2 Feb (comment) 126 10:00:60 EST",
            b"yesterday",
            b"",
        ]
    )
    return [b"Date: " + date, b"From: a@example.org", b"", *_body(chance)]


def _long_header(chance: random.Random) -> Lines:
    folds = [b"\t" + _sentence(chance) for _ in range(chance.randrange(20, 60))]
    recipients = [b"To:"] + [b" %b%d@example.org," % (chance.choice(_WORDS), n) for n in range(100)]
    return [b"Subject: start", *folds, *recipients, b"X-Long: " + b"l" * 980, b" \t", b"", *_body(chance)]


def _no_header(chance: random.Random) -> Lines:
    return [b"", *_body(chance)]


def _no_body(chance: random.Random) -> Lines:
    return _header(chance)


def _no_colon(chance: random.Random) -> Lines:
    return [
        b" starts with a space: no",
        b"From example@example.org Mon Feb  2 10:00:00 2026",
        b"Subject : room before the colon",
        b"not a field at all",
        b"\tand its continuation",
        b": no name",
        b"From: a@example.org",
        b"",
        *_body(chance),
    ]


def _dots(chance: random.Random) -> Lines:
    return _header(chance) + [b"", b".", b"..", b".quit", b"...", b" .", b"", b"."]


def _long_lines(chance: random.Random) -> Lines:
    return _header(chance) + [b"", *(b"%c" % letter * LONGEST_LINE for letter in b"a.b"), b" " * LONGEST_LINE]


def _trailing_white(chance: random.Random) -> Lines:
    return _header(chance, b"X-White: a \t ") + [b"", b"words  ", b"\t", b" ", *_body(chance), b""]


def _duplicates(chance: random.Random) -> Lines:
    return (
        _header(chance)
        + _header(chance, b"Content-Type: text/html", b"Content-Type: multipart/mixed; boundary=q")
        + [b"", b"--q", b"", b"<p>", b"--q--"]
    )


_KINDS: dict[str, Callable[[random.Random], Lines]] = {
    "plain": _plain,
    "nested": _nested,
    "unended": _unended,
    "deep": _deep,
    "same-boundary": _same_boundary,
    "prefix-boundary": _prefix_boundary,
    "boundary-in-preamble": _boundary_in_preamble,
    "empty-parts": _empty_parts,
    "no-parts": _no_parts,
    "no-boundary": _no_boundary,
    "message-in-message": _message_in_message,
    "digest": _digest,
    "eight-bit": _eight_bit,
    "encoded-words": _encoded_words,
    "extended-parameters": _extended_parameters,
    "groups": _groups,
    "odd-dates": _odd_dates,
    "long-header": _long_header,
    "no-header": _no_header,
    "no-body": _no_body,
    "no-colon": _no_colon,
    "dots": _dots,
    "long-lines": _long_lines,
    "trailing-white": _trailing_white,
    "duplicates": _duplicates,
}
