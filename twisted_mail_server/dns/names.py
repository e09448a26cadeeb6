"""
Domain names between text and octets (RFC 1035 section 3.1, RFC 5891).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import idna

from twisted_mail_server.model import limits

# What a label may hold in our texts: what is printable, without the dot that ends it and the backslash that escapes.
# Host names need less (RFC 1123 section 2.1), but policies are asked for at names like _dmarc.example.org, and an SPF macro may
# bring any local part into a name (RFC 7208 section 7.2).
_LABEL = re.compile(r"[!-\-/-\[\]-~]{1,63}")
_PLAIN = re.compile(rb"[!-\-/-\[\]-~]*")
_ODD = re.compile(rb"[^!-\-/-\[\]-~]")


def canonical_name(text: str) -> str | None:
    """
    The form in which a name is asked for: A-labels (RFC 5891, with the mapping of UTS 46), lower case, no dot at the end.
    L{None} if there can be no such name: an empty or over-long label, an over-long name, or letters that no name has.
    """
    if text == ".":
        return text
    if len(text) > limits.DOMAIN:
        return None
    if not text.isascii():
        mapped = _a_labels(text)
        if mapped is None:
            return None
        text = mapped
    text = text.removesuffix(".").lower()
    # On the wire there is one octet more than in the text in front, and one at the end.
    if len(text) + 2 > limits.DOMAIN or not all(map(_LABEL.fullmatch, text.split("."))):
        return None
    return text


def _a_labels(text: str) -> str | None:
    try:
        # Label by label, for one like _25 is no word of any language and yet has its place.
        labels = idna.uts46_remap(text, std3_rules=False, transitional=False).split(".")
        return ".".join(one if one.isascii() else idna.alabel(one).decode("ascii") for one in labels)
    except UnicodeError:
        return None


def to_wire(name: str) -> bytes:
    """
    The octets of a name in canonical form.
    """
    if name == ".":
        return b"\0"
    return b"".join(bytes((len(label),)) + label.encode("ascii") for label in name.split(".")) + b"\0"


def to_text(labels: Sequence[bytes]) -> str:
    """
    The text of a name's labels, without the empty one at the end.
    """
    if not labels:
        return "."
    # Most names are plain: then one look is enough.
    if not all(map(_PLAIN.fullmatch, labels)):
        labels = [_ODD.sub(_escaped, label) for label in labels]
    return b".".join(labels).decode("ascii").lower()


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\%03d" % found[0][0]
