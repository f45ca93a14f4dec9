"""Sunrise and sunset at the destination, and windows around them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from astral import Observer
from astral.sun import sunrise, sunset

from rules import limits
from rules.campaigns import Sun
from rules.facts import Destination
from rules.windows import EPOCH_ORDINAL, MINUTE_MS, Ask, LocalClock, Span, midnight

SunEvent = Literal["sunrise", "sunset"]


class SunTable:
    """Sun times of a destination, in ms since 1970 UTC, kept per local date."""

    __slots__ = ("_clock", "_known", "_observer")

    def __init__(self, destination: Destination, clock: LocalClock) -> None:
        self._observer = Observer(destination.lat, destination.lon)
        self._clock = clock
        self._known: dict[tuple[SunEvent, int], int | None] = {}

    def at_ms(self, event: SunEvent, day: int) -> int | None:
        """When the sun rises or sets on a local date (days since 1970); None where it does not."""
        key = (event, day)
        if key not in self._known:
            if len(self._known) >= limits.SUN_DAYS_CACHED_MAX:
                self._known.clear()
            self._known[key] = self._computed(event, date.fromordinal(EPOCH_ORDINAL + day))
        return self._known[key]

    def today_ms(self, event: SunEvent, now_ms: int) -> int | None:
        """When the sun rises or sets on the local date of an instant."""
        return self.at_ms(event, self._clock.wall(now_ms).day)

    def _computed(self, event: SunEvent, on: date) -> int | None:
        ask = sunrise if event == "sunrise" else sunset
        try:
            moment = ask(self._observer, on, tzinfo=self._clock.zone)
        except ValueError:  # astral's word for a polar day or night
            return None
        return int(moment.timestamp() * 1000)


def around_sun(clock: LocalClock, table: SunTable, data: Sun) -> Ask:
    """The question of a window around sunrise or sunset; values: (today's, ms | None,).

    Where the sun does not rise or set that day, nothing is near it: false.
    """
    first, last = data.from_min * MINUTE_MS, data.to_min * MINUTE_MS

    def ask(now_ms: int) -> Span:
        wall = clock.wall(now_ms)
        truth, until = False, midnight(wall, now_ms)
        for day in range(wall.day - 1, wall.day + 2):
            at = table.at_ms(data.event, day)
            if at is None:
                continue
            truth = truth or at + first <= now_ms < at + last
            until = min([until, *(edge for edge in (at + first, at + last) if edge > now_ms)])
        return Span(int(truth), until, (table.at_ms(data.event, wall.day),))

    return ask
