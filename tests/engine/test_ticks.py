"""Ticks never go backwards and are not thrown by a jumping wall clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine import limits
from engine.ticks import TickSource

START_MS = 1_800_000_000_000


def test_ticks_follow_a_good_clock() -> None:
    ticks = TickSource()
    assert [ticks.next(START_MS + i * 1000, 1000) for i in range(4)] == [
        START_MS + i * 1000 for i in range(4)
    ]


def test_a_clock_set_back_is_waited_for_at_half_speed() -> None:
    ticks = TickSource()
    ticks.next(START_MS, 0)
    assert ticks.next(START_MS - 3_600_000, 1000) == START_MS + 500


def test_a_leap_ahead_is_believed_only_when_it_lasts() -> None:
    ticks = TickSource()
    ticks.next(START_MS, 0)
    leap = 3_600_000
    seen = [
        ticks.next(START_MS + leap + i * 1000, 1000) for i in range(1, limits.CLOCK_LEAP_TICKS + 1)
    ]
    assert seen[0] == START_MS + 1000
    assert seen[-1] == START_MS + leap + limits.CLOCK_LEAP_TICKS * 1000


def test_a_leap_that_is_taken_back_leaves_no_trace() -> None:
    ticks = TickSource()
    ticks.next(START_MS, 0)
    ticks.next(START_MS + 3_600_000, 1000)
    assert ticks.next(START_MS + 2000, 1000) == START_MS + 2000


def test_the_first_tick_after_a_restart_takes_the_clock_as_it_is() -> None:
    assert TickSource(START_MS).next(START_MS + 8 * 3_600_000, 0) == START_MS + 8 * 3_600_000


@given(st.lists(st.tuples(st.integers(-(10**8), 10**8), st.integers(0, 5000)), max_size=50))
def test_ticks_never_go_backwards(readings: list[tuple[int, int]]) -> None:
    ticks = TickSource(START_MS)
    last_ms = START_MS
    for offset_ms, elapsed_ms in readings:
        tick_ms = ticks.next(START_MS + offset_ms, elapsed_ms)
        assert tick_ms >= last_ms
        last_ms = tick_ms
