"""Sun times against published almanacs; opening hours against a corpus that mappers wrote."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opening_hours import OpeningHours

from rules import hours
from rules.almanac import Almanac
from rules.campaigns import Sun
from rules.facts import Destination, PlaceFacts
from rules.sun import SunEvent, around_sun
from tests.rules.world import ANNECY, ms

PARIS = Destination(time_zone="Europe/Paris", lat=48.8567, lon=2.3510, country="FR")
TROMSO = Destination(time_zone="Europe/Oslo", lat=69.6492, lon=18.9553, country="NO")
SYDNEY = Destination(time_zone="Australia/Sydney", lat=-33.8678, lon=151.2073, country="AU")


@pytest.mark.parametrize(
    ("where", "event", "local"),
    [
        # As published by the IMCCE (Paris) and Geoscience Australia (Sydney), to the minute.
        (PARIS, "sunrise", "2025-06-21T05:47"),
        (PARIS, "sunset", "2025-06-21T21:58"),
        (PARIS, "sunrise", "2025-12-21T08:41"),
        (PARIS, "sunset", "2025-12-21T16:56"),
        (SYDNEY, "sunrise", "2025-06-21T07:00"),
        (SYDNEY, "sunset", "2025-06-21T16:54"),
    ],
)
def test_sun_times_are_those_of_the_almanac(
    where: Destination, event: SunEvent, local: str
) -> None:
    published = ms(local, where.time_zone)
    found = Almanac(where).sun.today_ms(event, published)
    assert found is not None
    assert abs(found - published) <= 90_000


def test_where_the_sun_does_not_set_nothing_is_near_sunset() -> None:
    almanac = Almanac(TROMSO)
    midsummer = ms("2025-06-21T23:00", "Europe/Oslo")
    assert almanac.sun.today_ms("sunset", midsummer) is None
    data = Sun(event="sunset", from_min=-720, to_min=720)
    span = around_sun(almanac.clock, almanac.sun, data)(midsummer)
    assert (span.truth, span.values) == (0, (None,))


@given(
    st.integers(ms("2025-01-01T00:00"), ms("2025-12-31T00:00")),
    st.integers(-720, 719),
    st.integers(1, 720),
    st.sampled_from(("sunrise", "sunset")),
    st.floats(0, 1),
)
def test_a_sun_window_is_right_and_holds_as_long_as_it_says(
    now_ms: int, first: int, length: int, event: SunEvent, share: float
) -> None:
    almanac = Almanac(ANNECY)
    last = min(720, first + length)
    ask = around_sun(almanac.clock, almanac.sun, Sun(event=event, from_min=first, to_min=last))
    span = ask(now_ms)
    assert span.until_ms > now_ms
    day = almanac.clock.wall(now_ms).day
    times = [almanac.sun.at_ms(event, day + off) for off in range(-2, 3)]
    for moment in (now_ms, now_ms + int((span.until_ms - 1 - now_ms) * share)):
        truth = any(
            t is not None and t + first * 60_000 <= moment < t + last * 60_000 for t in times
        )
        assert span.truth == truth


def place(text: str | None, lat: float = 45.9, lon: float = 6.12) -> PlaceFacts:
    return PlaceFacts(id="p", lat=lat, lon=lon, opening_hours=text)


@pytest.mark.parametrize(
    ("text", "local", "truth"),
    [
        ("Mo-Fr 09:00-18:00", "2025-06-18T09:00", 1),
        ("Mo-Fr 09:00-18:00", "2025-06-18T18:00", 0),
        ("Mo-Fr 09:00-18:00; PH off", "2025-07-14T10:00", 0),  # a French public holiday
        ("Fr 22:00-02:00", "2025-06-21T01:59", 1),  # over midnight
        ("sunrise-sunset", "2025-06-18T21:15", 1),  # sunset is 21:28 there, not 19:00
        ("sunrise-sunset", "2025-06-18T21:45", 0),
        ("sunrise-sunset", "2025-12-18T17:30", 0),
        ("Su 02:15-02:45", "2025-03-30T03:00", 0),  # the gap ate it
        ("24/7", "2024-02-29T12:00", 1),
        ("Mo-Fr 09:00-18:00 || unknown", "2025-06-22T10:00", -1),
        (None, "2025-06-18T10:00", -1),
        ("10h-18h du lundi au vendredi", "2025-06-18T10:00", -1),
    ],
)
def test_a_place_is_open_closed_or_unknown(text: str | None, local: str, truth: int) -> None:
    assert Almanac(ANNECY).hours.ask(place(text), ms(local)).truth == truth


def test_coordinates_that_are_none_make_hours_unknown() -> None:
    assert Almanac(ANNECY).hours.ask(place("24/7", lat=95.0), ms("2025-06-18T10:00")).truth == -1


def test_a_country_without_known_holidays_still_has_hours() -> None:
    nowhere = Destination(time_zone="UTC", lat=0.0, lon=0.0, country="ZZ")
    assert Almanac(nowhere).hours.ask(place("24/7"), ms("2025-06-18T10:00")).truth == 1


def test_an_answer_names_the_next_change() -> None:
    span = Almanac(ANNECY).hours.ask(place("Mo-Fr 09:00-18:00"), ms("2025-06-18T10:00"))
    assert span.values == ("p", "open", ms("2025-06-18T18:00"))


@pytest.mark.real_data
def test_the_real_corpus_answers_as_the_library_does_and_the_broken_ones_are_unknown(
    data_dir: Path,
) -> None:
    path = data_dir / "opening_hours" / "opening_hours_corpus.txt"
    lines = [line for line in path.read_text("utf-8").splitlines() if line]
    broken = [line for line in lines if not hours.parses(line)]
    assert (len(lines), len(broken)) == (389, 13)
    almanac = Almanac(ANNECY)
    week = [ms("2025-06-16T00:00") + at * 37 * 60_000 for at in range(0, 272, 9)]
    for line in lines:
        reference = None
        if line not in broken:
            reference = OpeningHours(
                line, timezone=almanac.clock.zone, country="FR", coords=(45.9, 6.12)
            )
        for now_ms in week:
            span = almanac.hours.ask(place(line), now_ms)
            if reference is None:
                assert span.truth == -1
                continue
            moment = datetime.fromtimestamp(now_ms / 1000, almanac.clock.zone)
            assert span.truth == hours.STATES[str(reference.state(moment)[0])], line
            # What it says to hold until then does.
            last = datetime.fromtimestamp((span.until_ms - 1) / 1000, almanac.clock.zone)
            assert span.truth == hours.STATES[str(reference.state(last)[0])], line
