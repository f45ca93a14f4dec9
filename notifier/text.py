"""Text fit for a push: no control characters, no markup, never cut inside a character.

What readers take for one character is a grapheme cluster (Unicode Standard Annex #29); `graphemes`
splits where the annex splits, except that it keeps together what follows a zero-width joiner.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

from notifier.limits import MARKUP_PASSES_MAX

ELLIPSIS: Final = "…"

_ZWJ: Final = "\u200d"
_TAGS: Final = re.compile("[\U000e0020-\U000e007f]")
_PREPEND: Final = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
# Format characters with a meaning in running text: joiners, direction marks and isolates, Arabic
# number signs. Overrides and embeddings can make a text read as another one, so they are not here.
_FORMATS_KEPT: Final = _PREPEND | frozenset(
    "\u200c\u200d\u200e\u200f\u061c\u2066\u2067\u2068\u2069"
)

_BREAKS: Final = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_ELEMENT: Final = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BREAK_TAG: Final = re.compile(r"<(?:br\s*/?|/p|/div|/li)\s*>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[A-Za-z/!?][^<>]*>")
_TAG_START: Final = re.compile(r"<+(?=[A-Za-z/!?])")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_SPACES: Final = re.compile(r"[ \t]{2,}")
_BLANK_LINES: Final = re.compile(r"\n{3,}")


def has_markup(text: str) -> bool:
    """Whether a browser would read part of the text as a tag or an entity."""
    return _TAG_START.search(text) is not None or _ENTITY.search(text) is not None


def has_controls(text: str) -> bool:
    """Whether the text holds characters, line breaks aside, that `clean` would drop."""
    return any(not _printable(char) for char in _BREAKS.sub("", text).replace("\t", ""))


def clean(text: str, *, multiline: bool) -> str:
    """The text without markup and control characters, spaces tidied.

    Line breaks stay (at most one blank line in a row) if `multiline`, and turn into spaces if not.
    No `<` that a browser could read as the start of a tag is left.
    """
    text = _unmarked(text)
    if not text.isprintable():
        text = _BREAKS.sub("\n" if multiline else " ", text).replace("\t", " ")
        text = "".join(filter(_kept, text))
        text = _TAG_START.sub("", text)
    if "\U000e0020" <= max(text, default="") <= "\U000e007f":
        # What stood between a bracket and a letter may be gone.
        text = _TAG_START.sub("", _without_stray_tags(text))
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def graphemes(text: str) -> list[str]:
    """The text in user-perceived characters, in order; joined, they are the text."""
    if text.isascii() and "\r" not in text:
        return list(text)
    out: list[str] = []
    flags = 0
    for char in text:
        if out and _joins(out[-1], char, flags):
            out[-1] += char
        else:
            out.append(char)
            flags = 0
        flags += _is_flag(char)
    return out


def cut(text: str, graphemes_max: int) -> str:
    """The text as a phone cuts it: where the room ends, with an ellipsis, inside no character."""
    if len(text) <= graphemes_max:
        return text
    parts = graphemes(text)
    if len(parts) <= graphemes_max:
        return text
    return "".join(parts[: graphemes_max - 1]).rstrip() + ELLIPSIS


def truncate(text: str, graphemes_max: int) -> str:
    """The text, cut with an ellipsis to at most `graphemes_max` characters as readers count them.

    A word is not cut where a space lies in the last fifth.
    """
    if len(text) <= graphemes_max:
        return text
    parts = graphemes(text)
    if len(parts) <= graphemes_max:
        return text
    kept = parts[: graphemes_max - 1]
    if not parts[graphemes_max - 1].isspace():
        for index in range(len(kept) - 1, graphemes_max * 4 // 5, -1):
            if kept[index].isspace():
                kept = kept[:index]
                break
    return "".join(kept).rstrip() + ELLIPSIS


def _unmarked(text: str) -> str:
    for _ in range(MARKUP_PASSES_MAX):
        if "<" not in text and "&" not in text:
            return text
        before = text
        text = _BREAK_TAG.sub("\n", _ELEMENT.sub(" ", text))
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), _TAG.sub("", text))
        if text == before:
            break
    return _TAG_START.sub("", text)


def _printable(char: str) -> bool:
    if char in _FORMATS_KEPT or "\U000e0020" <= char <= "\U000e007f":
        return True
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _kept(char: str) -> bool:
    return char == "\n" or _printable(char)


def _without_stray_tags(text: str) -> str:
    # Tag characters spell the flags of England, Scotland and Wales after U+1F3F4; anywhere else
    # they are invisible text.
    parts = graphemes(text)
    return "".join(part if part[0] == "\U0001f3f4" else _TAGS.sub("", part) for part in parts)


def _joins(cluster: str, char: str, flags: int) -> bool:
    before = cluster[-1]
    if before == "\r":
        return char == "\n"
    if _is_control(before) or _is_control(char):
        return False
    if before in _PREPEND or before == _ZWJ or _extends(char):
        return True
    if _is_flag(char) and _is_flag(before):
        return flags % 2 == 1
    return _hangul_joins(before, char)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cs"} or (
        unicodedata.category(char) == "Cf" and not _printable(char)
    )


def _extends(char: str) -> bool:
    return (
        unicodedata.category(char) in {"Mn", "Me", "Mc"}
        or char in "\u200c\u200d\u0e33\u0eb3\uff9e\uff9f"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
    )


def _is_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _hangul_joins(before: str, char: str) -> bool:
    one, two = _hangul(before), _hangul(char)
    if one == "L":
        return two in {"L", "V", "LV", "LVT"}
    if one in {"LV", "V"}:
        return two in {"V", "T"}
    return one in {"LVT", "T"} and two == "T"


def _hangul(char: str) -> str:
    if "\uac00" <= char <= "\ud7a3":
        return "LV" if (ord(char) - 0xAC00) % 28 == 0 else "LVT"
    if "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97c":
        return "L"
    if "\u1160" <= char <= "\u11a7" or "\ud7b0" <= char <= "\ud7c6":
        return "V"
    if "\u11a8" <= char <= "\u11ff" or "\ud7cb" <= char <= "\ud7fb":
        return "T"
    return ""
