"""Languages: BCP 47 tags, the chain of fallbacks, and choosing among the texts at hand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from notifier.errors import LanguageRefused

_TAG: Final = re.compile(
    r"(?P<language>[A-Za-z]{2,3})(?:-(?P<script>[A-Za-z]{4}))?"
    r"(?:-(?P<region>[A-Za-z]{2}|[0-9]{3}))?(?P<rest>(?:-[A-Za-z0-9]{1,8})*)"
)
_TAG_CHARS_MAX: Final = 35
_LIKELY: Final = get_global("likely_subtags")
_RIGHT_TO_LEFT: Final = frozenset(
    {"Adlm", "Arab", "Aran", "Hebr", "Mand", "Nkoo", "Rohg", "Syrc", "Thaa"}
)


@lru_cache(maxsize=1024)
def normalise(tag: str) -> str:
    """The tag in its usual case and with hyphens: FR_ca is fr-CA, ZH-hant-tw is zh-Hant-TW.

    Variants and extensions are dropped: no text is chosen by them.

    Raises:
        LanguageRefused: it is not a tag of language, script and region.
    """
    # POSIX writes fr_CA.UTF-8 and ca_ES@valencia.
    bare = re.split(r"[.@]", tag, maxsplit=1)[0].replace("_", "-")
    found = _TAG.fullmatch(bare) if len(bare) <= _TAG_CHARS_MAX else None
    if found is None:
        raise LanguageRefused(tag=tag)
    script, region = found["script"], found["region"]
    parts = [found["language"].lower(), script and script.title(), region and region.upper()]
    return "-".join(part for part in parts if part)


def known(tag: str) -> bool:
    """Whether `normalise` takes the tag."""
    try:
        normalise(tag)
    except LanguageRefused:
        return False
    return True


@lru_cache(maxsize=1024)
def chain(tag: str) -> tuple[str, ...]:
    """The tag and what it falls back to: fr-CA, fr. zh-TW, zh-Hant-TW, zh-Hant; not zh.

    Raises:
        LanguageRefused: the tag is not one.
    """
    tag = normalise(tag)
    out = [tag]
    parts = tag.split("-")
    if len(parts) > 1 and len(parts[1]) != 4 and _script(tag) != _script(parts[0]):
        # A region that implies another script, as zh-TW does: plain zh would be unreadable.
        out += [f"{parts[0]}-{_script(tag)}-{parts[1]}", f"{parts[0]}-{_script(tag)}"]
        return tuple(out)
    while len(parts) > 1:
        parts = parts[:-1]
        shorter = "-".join(parts)
        if _script(shorter) == _script(tag):
            out.append(shorter)
    return tuple(out)


def choose(wanted: Iterable[str], available: Collection[str], default: str) -> str:
    """The best of the `available` tags for someone who reads `wanted`, best first.

    Each wanted language is looked up by its chain, then among its regional siblings in the same
    script (fr-CH takes fr-FR); then the next one; then `default`, by the same steps; and where even
    that is absent, the first of the available in order. Tags that are none are passed over.

    Raises:
        LanguageRefused: nothing is available.
    """
    if not available:
        raise LanguageRefused(tag=default)
    return _choose(tuple(wanted), tuple(available), default)


def pick(texts: Mapping[str, str], wanted: Iterable[str], default: str) -> str:
    """The text of a multilingual value that `choose` would choose; empty if it has none."""
    return texts[choose(wanted, texts, default)] if texts else ""


@lru_cache(maxsize=256)
def locale(tag: str) -> Locale:
    """Babel's locale for a tag: the nearest that CLDR has, English where it has none."""
    for candidate in chain(tag) if known(tag) else ():
        try:
            return Locale.parse(candidate, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")


def reading(wanted: Sequence[str], chosen: str) -> str:
    """The tag by which to format times and numbers inside a text in `chosen`.

    The reader's own region where the language is the same: en-GB for an `en` text has a 24-hour
    clock, plain `en` has not.
    """
    for tag in wanted:
        if known(tag) and _language(tag) == _language(chosen) and _script(tag) == _script(chosen):
            return normalise(tag)
    return chosen


def right_to_left(tag: str) -> bool:
    """Whether the language is written from right to left."""
    return known(tag) and _script(tag) in _RIGHT_TO_LEFT


@lru_cache(maxsize=4096)
def _choose(wanted: tuple[str, ...], available: tuple[str, ...], default: str) -> str:
    by_tag = {normalise(tag): tag for tag in available if known(tag)}
    for tag in (*wanted, default):
        if not known(tag):
            continue
        for candidate in chain(tag):
            if candidate in by_tag:
                return by_tag[candidate]
        for candidate in sorted(by_tag):
            if _language(candidate) == _language(tag) and _script(candidate) == _script(tag):
                return by_tag[candidate]
    return available[0]


def _language(tag: str) -> str:
    return normalise(tag).split("-", 1)[0]


@lru_cache(maxsize=1024)
def _script(tag: str) -> str:
    parts = normalise(tag).split("-")
    if len(parts) > 1 and len(parts[1]) == 4:
        return parts[1]
    full = _LIKELY.get("_".join(parts)) or _LIKELY.get(parts[0])
    found = [part for part in (full or "").split("_")[1:] if len(part) == 4]
    return found[0] if found else "Latn"
