"""Opening hours of places, by OpenStreetMap's opening_hours.

Real values are written by hand and some do not parse: those are unknown, as is an absent value.
Country and coordinates are always given, or public holidays are missed and sunset is 19:00.
"""

from __future__ import annotations

# The library's stub leaves out its exceptions.
from opening_hours import (  # type: ignore[attr-defined]
    InvalidCoordinatesError,
    OpeningHours,
    ParserError,
    UnknownCountryError,
)

from rules import limits
from rules.facts import Destination, PlaceFacts
from rules.windows import FOREVER_MS, LocalClock, Span

STATES = {"open": 1, "closed": 0, "unknown": -1}


def parses(text: str) -> bool:
    """Whether a value is well-formed opening_hours."""
    try:
        OpeningHours(text)
    except ParserError:
        return False
    return True


def _known_country(country: str | None) -> str | None:
    """The country, if the library has its holidays; hours that name no holiday do not need them."""
    try:
        OpeningHours("24/7", country=country)
    except UnknownCountryError:
        return None
    return country


class HoursBook:
    """Answers whether places are open, each answer kept until the place's next change."""

    __slots__ = ("_clock", "_country", "_parsed", "_spans")

    def __init__(self, destination: Destination, clock: LocalClock) -> None:
        self._clock = clock
        self._country = _known_country(destination.country)
        self._parsed: dict[tuple[str, float, float], OpeningHours | None] = {}
        self._spans: dict[tuple[str, float, float], tuple[int, Span]] = {}

    def ask(self, place: PlaceFacts, now_ms: int) -> Span:
        """Whether a place is open; values: (place, state, the next change in ms or None)."""
        if place.opening_hours is None:
            return Span(-1, FOREVER_MS, (place.id, "no hours", None))
        key = (place.opening_hours, place.lat, place.lon)
        known = self._spans.get(key)
        if known is None or not known[0] <= now_ms < known[1].until_ms:
            if len(self._spans) >= limits.HOURS_CACHED_MAX:
                self._spans.clear()
            known = self._spans[key] = (now_ms, self._computed(key, now_ms))
        truth, until_ms, values = known[1]
        return Span(truth, until_ms, (place.id, *values))

    def _computed(self, key: tuple[str, float, float], now_ms: int) -> Span:
        hours = self._hours(key)
        if hours is None:
            return Span(-1, FOREVER_MS, ("not understood", None))
        moment = self._clock.moment(now_ms)
        state = str(hours.state(moment)[0])
        change = hours.next_change(moment)
        change_ms = None if change is None else int(change.timestamp() * 1000)
        # Never beyond the steady part of the clock: the library answers by the wall.
        steady_ms = self._clock.wall(now_ms).steady_ms
        until_ms = steady_ms if change_ms is None else min(change_ms, steady_ms)
        return Span(STATES[state], max(until_ms, now_ms + 1), (state, change_ms))

    def _hours(self, key: tuple[str, float, float]) -> OpeningHours | None:
        if key not in self._parsed:
            if len(self._parsed) >= limits.HOURS_CACHED_MAX:
                self._parsed.clear()
            text, lat, lon = key
            try:
                self._parsed[key] = OpeningHours(
                    text,
                    timezone=self._clock.zone,
                    country=self._country,
                    coords=(lat, lon),
                    max_interval_days=limits.HOURS_AHEAD_DAYS,
                )
            except (ParserError, InvalidCoordinatesError):
                self._parsed[key] = None
        return self._parsed[key]
