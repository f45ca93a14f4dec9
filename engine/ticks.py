"""The engine's now: ticks that never go backwards and are not thrown by a jumping wall clock."""

from __future__ import annotations

from engine import limits


class TickSource:
    """Turns wall-clock readings into ticks.

    A wall clock behind the last tick is waited for at half speed. One that leaps ahead is
    believed only when it stays ahead for some ticks; until then ticks follow elapsed time.
    """

    def __init__(self, last_ms: int | None = None) -> None:
        self._last_ms = last_ms
        self._leaps = 0
        self._started = False

    def next(self, wall_ms: int, elapsed_ms: int) -> int:
        """The tick for a wall-clock reading taken `elapsed_ms` (monotonic) after the one before."""
        last_ms = self._last_ms
        if last_ms is None:
            tick_ms = wall_ms
        elif wall_ms < last_ms:
            tick_ms = last_ms + max(elapsed_ms, 0) // 2
        elif self._started and wall_ms - last_ms - elapsed_ms > limits.CLOCK_LEAP_MS:
            self._leaps += 1
            believed = self._leaps >= limits.CLOCK_LEAP_TICKS
            tick_ms = wall_ms if believed else last_ms + elapsed_ms
        else:
            tick_ms = wall_ms
        if tick_ms == wall_ms:
            self._leaps = 0
        self._started = True
        self._last_ms = tick_ms
        return tick_ms
