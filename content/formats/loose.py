"""Values as sources really write them: one or many, text or number, with a language or without."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping

from content import limits
from content.texts import LANGUAGE_PATTERN

_LANGUAGE = re.compile(LANGUAGE_PATTERN)
_HTML = re.compile(r"</?[a-z][a-z0-9]*[^<>]*>", re.I)
_CLOCK = re.compile(r"^(\d{1,2})[:hH](\d{2})?(?::\d{2}(?:\.\d+)?)?$")


def many(value: object) -> list[object]:
    """A value as a list: nothing as an empty one, a scalar as one of one."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def one(value: object) -> object:
    """The first of many, or the value itself; None where there is none."""
    found = many(value)
    return found[0] if found else None


def member(value: object, *path: str) -> object:
    """What lies under `path` of the first object at every step; None where the path ends early."""
    for key in path:
        value = one(value)
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def number(value: object) -> float | None:
    """A finite number written as one or as text, with a decimal point or comma."""
    value = one(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value.strip().replace(",", ".")) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: object) -> str:
    """The first text of a value, trimmed; a number as text; empty for all else."""
    value = one(value)
    if isinstance(value, Mapping):
        value = value.get("@value", value.get("@id"))
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if float(value).is_integer() else str(value)
    return ""


def day(value: object) -> dt.date | None:
    """The day of an ISO 8601 date, or of the instant that begins with one."""
    try:
        return dt.date.fromisoformat(text(value)[:10])
    except ValueError:
        return None


def clock(value: object) -> dt.time | None:
    """A time of day: 14:30, 14:30:00, 9h30, 14h."""
    match = _CLOCK.match(text(value))
    if not match or int(match[1]) > 23 or int(match[2] or 0) > 59:
        return None
    return dt.time(int(match[1]), int(match[2] or 0))


def language(tag: object) -> str:
    """A language tag in the case RFC 5646 recommends (fr_FR becomes fr-FR); empty if it is none."""
    subtags = tag.strip().replace("_", "-").split("-") if isinstance(tag, str) else [""]
    cased = [subtags[0].lower()]
    for subtag in subtags[1:]:
        if len(subtag) == 4 and subtag.isalpha():
            cased.append(subtag.title())
        else:
            cased.append(subtag.upper() if len(subtag) == 2 else subtag.lower())
    made = "-".join(cased)
    return made if len(made) <= limits.LANGUAGE_CHARS_MAX and _LANGUAGE.match(made) else ""


def by_language(value: object, default: str) -> dict[str, str]:
    """Texts by language out of a text, {language: text or texts}, or JSON-LD's language values.

    A text without a language is in `default`; several of one language are paragraphs.
    """
    found: dict[str, list[str]] = {}

    def add(tag: str, content: object) -> None:
        for part in many(content):
            if isinstance(part, str) and part.strip() and part.strip() not in found.get(tag, ()):
                found.setdefault(tag, []).append(part.strip())

    for each in many(value):
        if isinstance(each, Mapping) and "@value" in each:
            add(language(each.get("@language", default)) or default, each["@value"])
        elif isinstance(each, Mapping):
            for tag, content in each.items():
                if language(tag):
                    add(language(tag), content)
        else:
            add(default, each)
    return {tag: "\n\n".join(parts) for tag, parts in found.items()}


def is_html(value: str) -> bool:
    """Whether a text holds HTML elements."""
    return _HTML.search(value) is not None
