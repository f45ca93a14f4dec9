"""Stable ids out of what a source calls its records."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from content import limits
from content.fields import ID_PATTERN

_ALLOWED = re.compile(ID_PATTERN)
_APART = re.compile(r"[^a-z0-9]+")
# Letters that Unicode does not decompose into a base letter and an accent.
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ß": "ss", "ł": "l", "đ": "d", "ı": "i"})


def is_id(text: str) -> bool:
    """Whether a text can be an id as it is."""
    return len(text) <= limits.ID_CHARS_MAX and _ALLOWED.match(text) is not None


def slug(text: str) -> str:
    """A text as an id: lower case, without accents, words joined by hyphens.

    A text without Latin letters or digits becomes a digest of itself, so that it stays the same
    from one import to the next.
    """
    plain = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    joined = _APART.sub("-", "".join(c for c in plain if not unicodedata.combining(c))).strip("-")
    if joined:
        return joined[: limits.ID_CHARS_MAX].rstrip("-")
    return "x" + hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
