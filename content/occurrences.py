"""From events to their occurrences between two instants. Pure: the caller gives the window.

A wall-clock start that a change to summer time skips counts with the offset before the change
(RFC 5545, section 3.3.5); one that happens twice is the first. Where the sun does not rise or set
on a day, an event that starts with it has no occurrence on that day.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import astral
import astral.sun
import msgspec

from content import limits, rrule
from content.destination import Destination
from content.errors import TooManyOccurrences
from content.events import EventRecord, EventStatus, Recurrence, StartRule, SunEvent
from content.fields import instant_ms


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """An event on one day. Instants are ms since 1970 UTC; `end_ms` equals `start_ms` where the
    end is unknown. `date` is local to the event."""

    event_id: str
    date: dt.date
    start_ms: int
    end_ms: int
    status: EventStatus
    remaining_places: int | None
    place_id: str | None
    zone_id: str | None

    @property
    def id(self) -> str:
        """Stable while the event keeps its id and this day."""
        return f"{self.event_id}@{self.date.isoformat()}"


class Sky(NamedTuple):
    """Whose clock and sun count: time zone of the destination, its centre in degrees."""

    time_zone: zoneinfo.ZoneInfo
    lon: float
    lat: float

    @classmethod
    def of(cls, destination: Destination) -> Sky:
        """The sky over a destination."""
        zone = zoneinfo.ZoneInfo(destination.time_zone)
        return cls(zone, destination.lon, destination.lat)


def expand(
    events: Iterable[EventRecord], from_ms: int, until_ms: int, sky: Sky
) -> list[Occurrence]:
    """The occurrences that are going on at some instant of [from_ms, until_ms), soonest first.

    One without an end counts by its start. Cancelled and sold-out ones are listed with their
    status. Raises TooManyOccurrences beyond `limits.OCCURRENCES_MAX`.
    """
    found: list[Occurrence] = []
    for event in events:
        for occurrence in _of_event(event, from_ms, until_ms, sky):
            found.append(occurrence)
            if len(found) > limits.OCCURRENCES_MAX:
                raise TooManyOccurrences(limits.OCCURRENCES_MAX)
    found.sort(key=lambda occurrence: (occurrence.start_ms, occurrence.event_id))
    return found


def sun_ms(sun: SunEvent, day: dt.date, sky: Sky) -> int | None:
    """The instant (ms) of the sun's event on a local day; None where it does not happen.

    Dawn and dusk are civil (the sun 6 degrees under the horizon). After Meeus by `astral`, within
    about a minute.
    """
    observer = astral.Observer(latitude=sky.lat, longitude=sky.lon)
    try:
        instant: dt.datetime = getattr(astral.sun, sun)(observer, day, tzinfo=sky.time_zone)
    except ValueError:
        return None
    return instant_ms(instant)


def _of_event(event: EventRecord, from_ms: int, until_ms: int, sky: Sky) -> Iterator[Occurrence]:
    if event.recurrence is None:
        assert event.start is not None  # EventRecord holds one of the two
        start_ms = instant_ms(event.start)
        end_ms = start_ms if event.end is None else instant_ms(event.end)
        if _meets(start_ms, end_ms, from_ms, until_ms):
            day = event.start.astimezone(sky.time_zone).date()
            yield _occurrence(event, day, start_ms, end_ms)
        return
    recurrence = event.recurrence
    zone = sky.time_zone
    if recurrence.time_zone is not None:
        zone = zoneinfo.ZoneInfo(recurrence.time_zone)
    local = sky._replace(time_zone=zone)
    for day in _days(recurrence, from_ms, until_ms, zone):
        start = _start_ms(recurrence.start_rule, day, local)
        if start is None:
            continue
        end = start + recurrence.duration_min * 60_000
        if _meets(start, end, from_ms, until_ms):
            yield _occurrence(event, day, start, end)


def _meets(start_ms: int, end_ms: int, from_ms: int, until_ms: int) -> bool:
    return start_ms < until_ms and (end_ms > from_ms or start_ms >= from_ms)


def _occurrence(event: EventRecord, day: dt.date, start_ms: int, end_ms: int) -> Occurrence:
    status, places = event.status, event.remaining_places
    change = next((change for change in event.changes if change.date == day), None)
    if change is not None:
        # An event that is off as a whole is not brought back by one of its days.
        if change.status is not None and status == "scheduled":
            status = change.status
        if change.remaining_places is not None:
            places = change.remaining_places
    return Occurrence(
        event_id=event.id,
        date=day,
        start_ms=start_ms,
        end_ms=end_ms,
        status=status,
        remaining_places=places,
        place_id=event.place_id,
        zone_id=event.zone_id,
    )


def _start_ms(rule: StartRule, day: dt.date, sky: Sky) -> int | None:
    if rule.time is not None:
        return instant_ms(dt.datetime.combine(day, rule.time, tzinfo=sky.time_zone))
    assert rule.sun is not None  # StartRule holds one of the two
    sun = sun_ms(rule.sun, day, sky)
    if sun is None:
        return None
    return (sun // 60_000 + rule.offset_min) * 60_000


def _days(
    recurrence: Recurrence, from_ms: int, until_ms: int, zone: zoneinfo.ZoneInfo
) -> list[dt.date]:
    """The local days whose occurrence may touch the window; a day more on either side for starts
    that the sun or an offset moves over midnight."""
    margin = dt.timedelta(days=2)
    reach = dt.timedelta(minutes=recurrence.duration_min)
    low = _local_day(from_ms, zone, -(reach + margin))
    high = _local_day(until_ms, zone, margin)
    days = {day for day in recurrence.dates if low <= day <= high}
    if recurrence.rrule:
        days |= set(_rule_days(recurrence, low, high, zone))
    return sorted(days - set(recurrence.except_dates))


def _local_day(at_ms: int, zone: zoneinfo.ZoneInfo, shift: dt.timedelta) -> dt.date:
    """The local day of an instant moved by `shift`, at the edge of the years that are walked where
    it passes them."""
    first, last = dt.date(limits.YEAR_MIN, 1, 1), dt.date(limits.YEAR_MAX, 12, 31)
    try:
        day = (dt.datetime.fromtimestamp(at_ms / 1000, tz=zone) + shift).date()
    except (OverflowError, ValueError, OSError):
        return first if at_ms < 0 else last
    return min(max(day, first), last)


def _rule_days(
    recurrence: Recurrence, low: dt.date, high: dt.date, zone: zoneinfo.ZoneInfo
) -> Iterator[dt.date]:
    assert recurrence.first_date is not None  # Recurrence holds it with every rrule
    rule = rrule.parse(recurrence.rrule)
    if rule.until is not None:
        high = min(high, _until_day(rule.until, recurrence.start_rule.time, zone))
    return rrule.days(rule, recurrence.first_date, low, high)


def _until_day(until: str, starts: dt.time | None, zone: zoneinfo.ZoneInfo) -> dt.date:
    """The last local day of an UNTIL: a date itself; of an instant, the day before if the
    occurrence would start after it."""
    if len(until) == 8:
        return dt.date.fromisoformat(until)
    local = dt.datetime.fromisoformat(until)  # UTC where it ends in Z, else local
    if local.tzinfo is not None:
        local = local.astimezone(zone)
    if (starts or dt.time(0, 1)) > local.time():
        return local.date() - dt.timedelta(days=1)
    return local.date()
