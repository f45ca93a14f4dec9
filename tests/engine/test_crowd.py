"""Levels by share of capacity, who is believed, and what does not make them flicker."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import limits
from engine.crowd import CrowdBook, Source, Trend
from rules.facts import Level

NOW_MS = 1_800_000_000_000


def book(capacity: int | None = 100, penetration: float | None = None) -> CrowdBook:
    found = CrowdBook()
    found.put_zone(0, capacity=capacity, penetration=penetration)
    return found


def tick(crowd: CrowdBook, now_ms: int = NOW_MS, inside: int = 0) -> Level:
    crowd.tick(now_ms, np.array([inside], np.int32))
    return crowd.of(0).level


@pytest.mark.parametrize(
    ("persons", "level"),
    [
        (0, Level.QUIET),
        (24, Level.QUIET),
        (25, Level.MODERATE),
        (49, Level.MODERATE),
        (50, Level.BUSY),
        (74, Level.BUSY),
        (75, Level.VERY_BUSY),
        (99, Level.VERY_BUSY),
        (100, Level.FULL),
        (900, Level.FULL),
    ],
)
def test_a_counter_sets_the_level_by_share_of_capacity(persons: int, level: Level) -> None:
    crowd = book()
    crowd.counted(0, persons=persons, at_ms=NOW_MS)
    assert tick(crowd) is level
    assert crowd.of(0).source is Source.COUNTER


def test_without_capacity_the_level_is_unknown() -> None:
    crowd = book(capacity=None)
    crowd.counted(0, persons=50, at_ms=NOW_MS)
    assert tick(crowd) is Level.UNKNOWN
    assert crowd.of(0).persons == 50


def test_uncalibrated_pings_alone_never_set_a_level() -> None:
    assert tick(book(), inside=80) is Level.UNKNOWN


def test_calibrated_pings_are_scaled_by_the_penetration_factor() -> None:
    crowd = book(penetration=0.1)
    assert tick(crowd, inside=6) is Level.BUSY
    assert crowd.of(0).persons == 60
    assert crowd.of(0).source is Source.PINGS


def test_a_fresh_counter_wins_over_pings_and_a_stale_one_does_not() -> None:
    crowd = book(penetration=0.1)
    crowd.counted(0, persons=10, at_ms=NOW_MS)
    assert tick(crowd, inside=9) is Level.QUIET
    assert tick(crowd, NOW_MS + limits.COUNTER_FRESH_MS + 1, inside=9) is Level.VERY_BUSY


def test_a_stale_counter_is_unknown_and_not_zero() -> None:
    crowd = book()
    crowd.counted(0, persons=10, at_ms=NOW_MS)
    tick(crowd)
    assert tick(crowd, NOW_MS + limits.COUNTER_FRESH_MS + 1) is Level.UNKNOWN
    assert crowd.of(0).persons is None


def test_an_older_count_does_not_replace_a_newer_one() -> None:
    crowd = book()
    crowd.counted(0, persons=90, at_ms=NOW_MS)
    crowd.counted(0, persons=1, at_ms=NOW_MS - 1)
    assert tick(crowd) is Level.VERY_BUSY


def test_a_level_falls_only_some_way_below_the_threshold_at_which_it_rose() -> None:
    crowd = book()
    levels = []
    for i, persons in enumerate((50, 49, 48, 46)):
        crowd.counted(0, persons=persons, at_ms=NOW_MS + i)
        levels.append(tick(crowd, NOW_MS + i))
    assert levels == [Level.BUSY, Level.BUSY, Level.BUSY, Level.MODERATE]


def test_a_level_set_by_hand_holds_until_it_expires_and_leaves_no_trace() -> None:
    crowd = book()
    crowd.counted(0, persons=10, at_ms=NOW_MS)
    tick(crowd)
    crowd.override(0, level=Level.FULL, until_ms=NOW_MS + 60_000)
    assert tick(crowd, NOW_MS + 1) is Level.FULL
    assert crowd.of(0).source is Source.OVERRIDE
    assert tick(crowd, NOW_MS + 60_000) is Level.QUIET


def test_reopening_ends_a_level_set_by_hand() -> None:
    crowd = book()
    crowd.counted(0, persons=10, at_ms=NOW_MS)
    crowd.override(0, level=Level.FULL, until_ms=NOW_MS + 60_000)
    crowd.override(0, level=None, until_ms=0)
    assert tick(crowd) is Level.QUIET


def test_the_trend_follows_a_rush_and_its_end() -> None:
    crowd = book()
    trends = []
    for minute, persons in enumerate([20] * 5 + [40] * 3 + [40] * 60 + [10] * 3):
        at_ms = NOW_MS + minute * 60_000
        crowd.counted(0, persons=persons, at_ms=at_ms)
        tick(crowd, at_ms)
        trends.append(crowd.of(0).trend)
    assert trends[4] is Trend.FLAT
    assert trends[7] is Trend.UP
    assert trends[60] is Trend.FLAT
    assert trends[-1] is Trend.DOWN


@given(st.lists(st.integers(0, 130), min_size=1, max_size=40))
def test_hysteresis_is_never_more_than_its_width_away_from_the_plain_level(
    counts: list[int],
) -> None:
    crowd = book()
    slack = limits.LEVEL_HYSTERESIS * 100
    for i, persons in enumerate(counts):
        crowd.counted(0, persons=persons, at_ms=NOW_MS + i)
        level = tick(crowd, NOW_MS + i)
        plain = sum(persons >= threshold for threshold in (25, 50, 75, 100))
        raised = sum(persons + slack >= threshold for threshold in (25, 50, 75, 100))
        assert plain <= level - Level.QUIET <= raised


def test_a_restored_book_goes_on_as_the_one_before() -> None:
    crowd = book(penetration=0.5)
    crowd.counted(0, persons=60, at_ms=NOW_MS)
    tick(crowd)
    again = CrowdBook.restore(crowd.snapshot())
    assert tick(again, NOW_MS + 5, 3) is tick(crowd, NOW_MS + 5, 3)
    assert again.of(0) == crowd.of(0)


def test_a_zone_whose_phones_are_not_calibrated_any_more_is_unknown_again() -> None:
    crowd = book(penetration=0.5)
    assert tick(crowd, inside=30) is Level.BUSY
    crowd.put_zone(0, capacity=100, penetration=None)
    assert tick(crowd, NOW_MS + 1000, inside=30) is Level.UNKNOWN
    assert crowd.of(0).source is Source.NONE
    assert crowd.of(0).persons is None
