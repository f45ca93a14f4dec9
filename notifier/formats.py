"""Times, durations, distances, numbers and levels in words, per language (CLDR through Babel)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal
from babel.units import format_unit

from notifier import languages

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

_FEET: Final = frozenset({"US", "LR"})
_MILE_M: Final = 1609.344
_FOOT_M: Final = 0.3048
_FEET_MAX: Final = 1000
_LENGTHS: Final[tuple[Literal["long", "short"], ...]] = ("long", "short")
_SYMBOLS: Final = {"meter": "m", "kilometer": "km", "foot": "ft", "mile": "mi"}

LEVELS: Final = ("quiet", "moderate", "busy", "very_busy", "full", "unknown")

LEVEL_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "de": ("ruhig", "mäßig besucht", "belebt", "sehr belebt", "voll", "unbekannt"),
    "en": ("quiet", "moderate", "busy", "very busy", "full", "unknown"),
    "es": ("tranquilo", "moderado", "concurrido", "muy concurrido", "completo", "desconocido"),
    "fr": ("calme", "modéré", "animé", "très fréquenté", "complet", "inconnu"),
    "it": ("tranquillo", "moderato", "affollato", "molto affollato", "completo", "sconosciuto"),
    "nl": ("rustig", "matig druk", "druk", "heel druk", "vol", "onbekend"),
}
"""The six levels, in the order of LEVELS, as visitors read them."""


@lru_cache(maxsize=4096)
def duration(duration_ms: int, lang: str) -> str:
    """A duration as people say it: 30 minutes; 1 hour and 45 minutes; 2 days.

    Below a day it is rounded to the minute, and never to none; above, to the hour. The smaller unit
    is left out where it is zero.
    """
    magnitude_ms = abs(duration_ms)
    minutes = max(1, round(magnitude_ms / MINUTE_MS))
    if minutes < 60:
        return _unit(minutes, "minute", lang)
    if minutes < 24 * 60:
        return _units(((minutes // 60, "hour"), (minutes % 60, "minute")), lang)
    hours = round(magnitude_ms / HOUR_MS)
    return _units(((hours // 24, "day"), (hours % 24, "hour")), lang)


@lru_cache(maxsize=4096)
def distance(distance_m: float, lang: str) -> str:
    """A distance as people say it: 250 m, 1.2 km; feet and miles for American readers."""
    if languages.locale(lang).territory in _FEET:
        feet = distance_m / _FOOT_M
        if feet < _FEET_MAX - 25:
            return _length(_stepped(feet), "foot", lang)
        return _length(round(distance_m / _MILE_M, 1), "mile", lang)
    if distance_m < 975:
        return _length(_stepped(distance_m), "meter", lang)
    digits = 1 if distance_m < 9_950 else None
    return _length(round(distance_m / 1000, digits), "kilometer", lang)


def time_of_day(at_ms: int, lang: str, time_zone: str) -> str:
    """The time of an instant in a time zone: 18:30, 6:30 PM."""
    return format_time(_local(at_ms, time_zone), format="short", locale=languages.locale(lang))


def day(at_ms: int, lang: str, time_zone: str) -> str:
    """The date of an instant in a time zone: 15 August 2026."""
    return format_date(_local(at_ms, time_zone), format="long", locale=languages.locale(lang))


def weekday(at_ms: int, lang: str, time_zone: str) -> str:
    """The day of the week of an instant in a time zone: Saturday."""
    return format_datetime(_local(at_ms, time_zone), "EEEE", locale=languages.locale(lang))


@lru_cache(maxsize=4096)
def number(value: float, lang: str) -> str:
    """A number with the language's separators, and at most two decimals."""
    return format_decimal(value, format="#,##0.##", locale=languages.locale(lang))


def plural(value: float, lang: str) -> str:
    """CLDR's plural category of a number: zero, one, two, few, many or other."""
    return str(languages.locale(lang).plural_form(abs(value)))


def level(name: str, lang: str) -> str:
    """A level in words; in English where we do not know the words of the language."""
    words = LEVEL_WORDS[languages.choose((lang,), LEVEL_WORDS, "en")]
    return words[LEVELS.index(name)] if name in LEVELS else words[-1]


def warm(tags: Iterable[str], time_zone: str) -> None:
    """Read what languages and a time zone need, so that printing them later reads no file.

    Takes some 20 ms a language the first time: to be called off the event loop, before a message
    in new languages goes live.
    """
    for tag in tags:
        duration(100 * MINUTE_MS, tag)
        distance(1_000.0, tag)
        day(0, tag, time_zone)
        time_of_day(0, tag, time_zone)
        weekday(0, tag, time_zone)
        number(1.5, tag)
        plural(1, tag)


def _local(at_ms: int, time_zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(ZoneInfo(time_zone))


def _stepped(value: float) -> int:
    """Rounded as people say it: by tens to 200, then by fifties, and never to nothing."""
    step = 10 if value < 195 else 50
    return max(10, round(value / step) * step)


def _length(value: float, unit: str, lang: str) -> str:
    text = format_unit(value, f"length-{unit}", length="short", locale=languages.locale(lang))
    return f"{number(value, lang)} {_SYMBOLS[unit]}" if "length-" in text else text


def _unit(value: int, unit: str, lang: str) -> str:
    # Where CLDR takes the long form from the short one (Japanese, Dutch, Portuguese days), Babel
    # prints the name of the unit instead.
    for length in _LENGTHS:
        text = _unit_as(value, unit, lang, length)
        if "duration-" not in text:
            return text
    return _unit_as(value, unit, "en", "long")


def _unit_as(value: int, unit: str, lang: str, length: Literal["long", "short"]) -> str:
    return format_unit(value, f"duration-{unit}", length=length, locale=languages.locale(lang))


def _units(parts: tuple[tuple[int, str], ...], lang: str) -> str:
    words = [_unit(value, unit, lang) for value, unit in parts if value]
    if len(words) == 1:
        return words[0]
    # Not format_list: without a pattern for two it applies those of longer lists, and repeats the
    # second word (Arabic).
    styles = languages.locale(lang).list_patterns
    for style, place in (("unit", "2"), ("unit", "end"), ("unit-short", "2")):
        pattern = styles.get(style, {}).get(place)
        if pattern:
            return str(pattern).format(*words)
    return str(styles["standard"]["2"]).format(*words)
