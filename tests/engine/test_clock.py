"""Clocks of demonstrations: still until they are started, then as fast as asked."""

from __future__ import annotations

import time

from engine.clock import FastClock

START_MS = 1_784_394_000_000


def test_a_fast_clock_stands_while_the_demonstration_is_prepared() -> None:
    clock = FastClock(start_ms=START_MS, speed=600)
    time.sleep(0.02)
    assert clock.now_ms() == START_MS


def test_a_fast_clock_runs_at_its_speed_once_started() -> None:
    clock = FastClock(start_ms=START_MS, speed=600)
    clock.restart(START_MS + 5)
    time.sleep(0.05)
    elapsed_ms = clock.now_ms() - START_MS - 5
    assert elapsed_ms >= 0.05 * 600 * 1000
