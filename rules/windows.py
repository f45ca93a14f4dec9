"""Windows on the clock: weekly windows, date ranges, seasons and quiet hours, in a time zone.

Everything goes by the wall clock. Where the clock jumps forward, a window that starts in the gap
opens at the first instant after it; where the clock is set back, a wall time that comes twice is
inside both times. An answer comes as a Span: it holds until an instant, so nobody asks again
before that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rules import limits
from rules.campaigns import DateRange, Season, Weekly
from rules.errors import UnknownTimeZoneError

DAY_MS = 86_400_000
MINUTE_MS = 60_000
FOREVER_MS = 253_402_300_799_000  # the end of year 9999: no change is in sight
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Span(NamedTuple):
    """An answer that holds from the instant asked about until `until_ms`, excluded.

    truth: 1 true, 0 false, -1 unknown. values: what was seen, plain and the same all through the
    span, in the leaf's own order.
    """

    truth: int
    until_ms: int
    values: tuple[Any, ...]


class Wall(NamedTuple):
    """The wall clock at an instant.

    day: days since 1970-01-01; ms: since local midnight by the clock face; steady_ms: until then
    the clock runs evenly.
    """

    day: int
    ms: int
    steady_ms: int

    @property
    def date(self) -> date:
        """The local date."""
        return date.fromordinal(EPOCH_ORDINAL + self.day)


class LocalClock:
    """The wall clock of a time zone. Raises UnknownTimeZoneError for a zone that does not exist."""

    __slots__ = ("_offset_ms", "_quarter", "_told", "zone")

    def __init__(self, time_zone: str) -> None:
        try:
            self.zone = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise UnknownTimeZoneError(time_zone) from error
        self._quarter = -1
        self._offset_ms = 0
        self._told = (-1, "")  # the last answer of `text`: many ask within one tick

    def wall(self, now_ms: int) -> Wall:
        """The wall clock at an instant, ms since 1970 UTC."""
        quarter = now_ms // limits.CLOCK_SPAN_MS
        if quarter != self._quarter:
            offset = self.moment(quarter * limits.CLOCK_SPAN_MS).utcoffset()
            assert offset is not None
            self._offset_ms = int(offset.total_seconds() * 1000)
            self._quarter = quarter
        day, ms = divmod(now_ms + self._offset_ms, DAY_MS)
        return Wall(day, ms, (quarter + 1) * limits.CLOCK_SPAN_MS)

    def moment(self, now_ms: int) -> datetime:
        """The instant as an aware datetime of this zone."""
        return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self.zone)

    def text(self, now_ms: int) -> str:
        """The instant in local time, to the second, with its offset."""
        if self._told[0] != now_ms:
            self._told = (now_ms, self.moment(now_ms).isoformat(timespec="seconds"))
        return self._told[1]


def time_of_day_ms(text: str) -> int:
    """ "HH:MM" as ms since midnight; "24:00" is the end of the day."""
    return int(text[:2]) * 3_600_000 + int(text[3:]) * MINUTE_MS


Ask = Callable[[int], Span]


def weekly(clock: LocalClock, data: Weekly) -> Ask:
    """The question of a weekly window."""
    on = tuple(day in data.days for day in DAYS)
    start, end = time_of_day_ms(data.start), time_of_day_ms(data.end)

    def ask(now_ms: int) -> Span:
        wall = clock.wall(now_ms)
        today = (wall.day + EPOCH_WEEKDAY) % 7
        if start < end:
            truth = on[today] and start <= wall.ms < end
        else:
            truth = (on[today] and wall.ms >= start) or (on[today - 1] and wall.ms < end)
        ahead = min(each - wall.ms for each in (start, end, DAY_MS) if each > wall.ms)
        return Span(int(truth), min(now_ms + ahead, wall.steady_ms), ())

    return ask


def date_range(clock: LocalClock, data: DateRange) -> Ask:
    """The question of a range of local dates."""

    def ask(now_ms: int) -> Span:
        wall = clock.wall(now_ms)
        today = wall.date
        truth = (data.first is None or data.first <= today) and (
            data.last is None or today <= data.last
        )
        return Span(int(truth), midnight(wall, now_ms), ())

    return ask


def season(clock: LocalClock, data: Season) -> Ask:
    """The question of a yearly season.

    02-29 stands for the end of February: as a last day it takes in 28 February of other years, as
    a first day it opens on 1 March of other years.
    """
    first, last = _month_day(data.first), _month_day(data.last)

    def ask(now_ms: int) -> Span:
        wall = clock.wall(now_ms)
        today = wall.date
        at = (today.month, today.day)
        truth = first <= at <= last if first <= last else at >= first or at <= last
        return Span(int(truth), midnight(wall, now_ms), ())

    return ask


def midnight(wall: Wall, now_ms: int) -> int:
    """The next local midnight, or the end of the steady part of the clock if that is sooner."""
    return min(now_ms + DAY_MS - wall.ms, wall.steady_ms)


def _month_day(text: str) -> tuple[int, int]:
    return int(text[:2]), int(text[3:])
