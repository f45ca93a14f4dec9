"""Events: once at an instant, or again and again by the clock or by the sun."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from content import limits, rrule
from content.destination import zone_named
from content.errors import RecordInvalid
from content.fields import (
    Extra,
    Id,
    Image,
    Instant,
    Lat,
    Lon,
    Persons,
    Price,
    Tags,
    Url,
    check_order,
    check_pair,
)
from content.texts import Description, Name, Summary

EventStatus = Literal["scheduled", "cancelled", "moved", "sold_out"]
SunEvent = Literal["dawn", "sunrise", "noon", "sunset", "dusk"]


class StartRule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """When an occurrence starts on its day: at a wall-clock `time`, or with the sun.

    offset_min: minutes after the sun's event, negative before it. The sun is that of the
    destination's centre; its minutes are rounded down, so that what is announced is not late.
    """

    time: dt.time | None = None
    sun: SunEvent | None = None
    offset_min: Annotated[int, Meta(ge=-limits.OFFSET_MIN_MAX, le=limits.OFFSET_MIN_MAX)] = 0

    def __post_init__(self) -> None:
        if (self.time is None) == (self.sun is None):
            raise RecordInvalid("start_rule", "needs either time or sun")
        if self.time is not None and self.time.tzinfo is not None:
            raise RecordInvalid("time", "is a wall-clock time, without an offset")
        if self.time is not None and self.offset_min:
            raise RecordInvalid("offset_min", "belongs to sun, not to time")


class Recurrence(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The days of an event and when it starts on them.

    The days are those of `rrule` (RFC 5545; daily, weekly, monthly or yearly) on or after
    `first_date`, and `dates`, without `except_dates`. Days are local to `time_zone`, by default
    the destination's. COUNT counts days of the rule from `first_date`, before exceptions.
    """

    start_rule: StartRule
    duration_min: Annotated[int, Meta(ge=0, le=limits.DURATION_MIN_MAX)]
    rrule: Annotated[str, Meta(max_length=limits.SUMMARY_CHARS_MAX)] = ""
    first_date: dt.date | None = None
    dates: Annotated[tuple[dt.date, ...], Meta(max_length=limits.OCCURRENCE_CHANGES_MAX)] = ()
    except_dates: Annotated[
        tuple[dt.date, ...], Meta(max_length=limits.OCCURRENCE_CHANGES_MAX)
    ] = ()
    time_zone: str | None = None

    def __post_init__(self) -> None:
        if not self.rrule and not self.dates:
            raise RecordInvalid("recurrence", "needs rrule or dates")
        if self.rrule:
            if self.first_date is None:
                raise RecordInvalid("first_date", "is needed with rrule")
            if not limits.YEAR_MIN <= self.first_date.year <= limits.YEAR_MAX:
                raise RecordInvalid("first_date", "is too far away")
            rrule.parse(self.rrule)
        if self.time_zone is not None:
            zone_named("time_zone", self.time_zone)


class OccurrenceChange(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What differs on one day of a recurrence; None leaves the event's own value."""

    date: dt.date
    status: EventStatus | None = None
    remaining_places: Persons | None = None


class EventRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An event: `start` and maybe `end` (once), or `recurrence`.

    remaining_places: None where nobody counts them; of a recurrence it holds for each occurrence,
    `changes` say what differs on a day. Anything but `scheduled` is never promoted. lon, lat,
    address: where it is, for an event at no place of ours.
    """

    id: Id
    name: Name
    summary: Summary = {}
    description: Description = {}
    start: Instant | None = None
    end: Instant | None = None
    recurrence: Recurrence | None = None
    changes: Annotated[
        tuple[OccurrenceChange, ...], Meta(max_length=limits.OCCURRENCE_CHANGES_MAX)
    ] = ()
    place_id: Id | None = None
    zone_id: Id | None = None
    lon: Lon | None = None
    lat: Lat | None = None
    address: Annotated[str, Meta(max_length=limits.NAME_CHARS_MAX)] = ""
    status: EventStatus = "scheduled"
    remaining_places: Persons | None = None
    price: Price | None = None
    booking_url: Url | None = None
    website: Url | None = None
    categories: Tags = ()
    themes: Tags = ()
    tags: Tags = ()
    image: Image | None = None
    extra: Extra = {}

    def __post_init__(self) -> None:
        if (self.start is None) == (self.recurrence is None):
            raise RecordInvalid("start", "an event has either start or recurrence")
        if self.end is not None and self.start is None:
            raise RecordInvalid("end", "a recurrence has duration_min instead")
        check_order(self.start, self.end, "end")
        check_pair(self.lon, self.lat)
        if self.changes and self.recurrence is None:
            raise RecordInvalid("changes", "belong to a recurrence")
        days = [change.date for change in self.changes]
        if len(set(days)) != len(days):
            raise RecordInvalid("changes", "name a day twice")
