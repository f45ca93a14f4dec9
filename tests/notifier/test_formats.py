from __future__ import annotations

import subprocess
import sys

import pytest
from babel import Locale
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st

from notifier import formats, languages
from notifier.formats import DAY_MS, HOUR_MS, MINUTE_MS

AT_MS = 1_787_000_000_000  # 2026-08-17 20:53:20 UTC
languages_of_cldr = st.sampled_from(
    sorted({each.replace("_", "-") for each in locale_identifiers() if languages.known(each)})
)


def plain(words: str) -> str:
    """With plain spaces: CLDR puts no-break ones, as it should, between number and unit."""
    return words.replace("\u202f", " ").replace("\xa0", " ")


@pytest.mark.parametrize(
    ("duration_ms", "lang", "expected"),
    [
        (30 * MINUTE_MS, "en", "30 minutes"),
        (30 * MINUTE_MS - 1_000, "fr", "30 minutes"),
        (20 * MINUTE_MS + 29_999, "de", "20 Minuten"),
        (1, "fr", "1 minute"),
        (59 * MINUTE_MS + 30_000, "en", "1 hour"),
        (HOUR_MS, "de", "1 Stunde"),
        (105 * MINUTE_MS, "fr", "1 heure et 45 minutes"),
        (105 * MINUTE_MS, "ar", "ساعة و45 دقيقة"),
        (105 * MINUTE_MS, "ja", "1 時間 45 分"),
        (2 * DAY_MS, "it", "2 giorni"),
        (2 * DAY_MS + 3 * HOUR_MS, "nl", "2 dagen en 3 uur"),
        (5 * MINUTE_MS, "pl", "5 minut"),
        (2 * MINUTE_MS, "pl", "2 minuty"),
    ],
)
def test_durations_read_as_people_say_them(duration_ms: int, lang: str, expected: str) -> None:
    assert plain(formats.duration(duration_ms, lang)) == expected


@pytest.mark.parametrize(
    ("distance_m", "lang", "expected"),
    [
        (3.0, "fr", "10 m"),
        (84.0, "fr", "80 m"),
        (231.0, "fr", "250 m"),
        (974.0, "en", "950 m"),
        (976.0, "en", "1 km"),
        (1_240.0, "fr", "1,2 km"),
        (12_400.0, "de", "12 km"),
        (231.0, "en-US", "750 ft"),
        (1_240.0, "en-US", "0.8 mi"),
        (231.0, "en-GB", "250 m"),
        (231.0, "ar", "250 مترًا"),
    ],
)
def test_distances_read_as_people_say_them(distance_m: float, lang: str, expected: str) -> None:
    assert plain(formats.distance(distance_m, lang)) == expected


@pytest.mark.parametrize(
    ("lang", "expected"),
    [("fr", "22:53"), ("fr-CA", "22 h 53"), ("en-GB", "22:53"), ("en-US", "10:53\u202fPM")],
)
def test_times_are_the_destinations_in_the_readers_way(lang: str, expected: str) -> None:
    assert formats.time_of_day(AT_MS, lang, "Europe/Paris") == expected


def test_dates_and_weekdays_are_the_destinations() -> None:
    assert formats.day(AT_MS, "de", "Europe/Paris") == "17. August 2026"
    assert formats.weekday(AT_MS, "fr", "Europe/Paris") == "lundi"
    assert formats.weekday(AT_MS, "fr", "Pacific/Auckland") == "mardi"


def test_clocks_go_back_with_the_destination() -> None:
    # 2026-10-25: 02:30 comes twice in Paris.
    first_ms = 1_792_888_200_000
    assert formats.time_of_day(first_ms, "fr", "Europe/Paris") == "02:30"
    assert formats.time_of_day(first_ms + HOUR_MS, "fr", "Europe/Paris") == "02:30"
    assert formats.time_of_day(first_ms + 2 * HOUR_MS, "fr", "Europe/Paris") == "03:30"


@given(languages_of_cldr, st.integers(0, 40 * DAY_MS), st.floats(0, 100_000))
def test_every_language_has_words(lang: str, duration_ms: int, distance_m: float) -> None:
    for words in (formats.duration(duration_ms, lang), formats.distance(distance_m, lang)):
        assert words.strip()
        assert "duration-" not in words
        assert "length-" not in words
        assert "{" not in words


def test_levels_have_words_in_all_our_languages() -> None:
    assert formats.level("very_busy", "fr-CA") == "très fréquenté"
    assert formats.level("quiet", "de") == "ruhig"
    assert formats.level("quiet", "ja") == "quiet"
    assert formats.level("nonsense", "en") == "unknown"
    assert all(len(words) == len(formats.LEVELS) for words in formats.LEVEL_WORDS.values())


def test_numbers_and_plurals_follow_the_language() -> None:
    assert formats.number(1234.567, "de") == "1.234,57"
    assert formats.number(4, "fr") == "4"
    assert [formats.plural(count, "fr") for count in (0, 1, 2)] == ["one", "one", "other"]
    assert [formats.plural(count, "en") for count in (0, 1, 2)] == ["other", "one", "other"]
    assert [formats.plural(count, "pl") for count in (1, 3, 5)] == ["one", "few", "many"]


def test_direction_is_the_scripts() -> None:
    for each in locale_identifiers():
        expected = Locale.parse(each).text_direction == "rtl"
        tag = each.replace("_", "-")
        if languages.known(tag):
            assert languages.right_to_left(tag) == expected, tag
    assert not languages.right_to_left("nonsense!")


def test_a_warm_language_reads_no_file() -> None:
    code = """
import asyncio, sys
from blockbuster import blockbuster_ctx
from notifier import formats
tags = ["fr-CA", "ar", "ja", "xx"]
formats.warm(tags, "Europe/Paris")
async def main():
    for tag in tags:
        formats.duration(7_000_000, tag), formats.distance(70.0, tag), formats.number(2.5, tag)
        formats.time_of_day(5, tag, "Europe/Paris"), formats.day(5, tag, "Europe/Paris")
        formats.weekday(5, tag, "Europe/Paris"), formats.plural(2, tag), formats.level("full", tag)
with blockbuster_ctx():
    asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], check=True)
