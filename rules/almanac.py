"""What the destination's place on earth implies: its wall clock, its sun, its opening hours."""

from __future__ import annotations

from rules.facts import Destination
from rules.hours import HoursBook
from rules.sun import SunTable
from rules.windows import LocalClock


class Almanac:
    """Clock, sun and opening hours of one destination; raises UnknownTimeZoneError."""

    __slots__ = ("clock", "destination", "hours", "sun")

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.clock = LocalClock(destination.time_zone)
        self.sun = SunTable(destination, self.clock)
        self.hours = HoursBook(destination, self.clock)
