"""Periods, as agendas write them, into starts and recurrences.

A period over several days with a time of day is that time on each of them; without one it goes on
from its first day's beginning to its last day's end. An event of ours starts at one time of day
and lasts the same each day, so periods that differ in these become several events.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable

import msgspec

from content import limits

_DAY = dt.timedelta(days=1)
_DAY_MIN = 24 * 60


class Period(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Days from `first` to `last`, both included, and the wall-clock times on each, if known."""

    first: dt.date
    last: dt.date
    starts: dt.time | None = None
    ends: dt.time | None = None


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of one event; `suffix` tells it from the others of the same source record."""

    suffix: str
    fields: dict[str, object]


def times(periods: Iterable[Period], zone: zoneinfo.ZoneInfo) -> list[Times]:
    """The events that periods make, the earliest first, its suffix empty.

    Raises ValueError where a period ends before it begins, or there are too many days.
    """
    grouped: dict[tuple[dt.time, int], list[Period]] = {}
    for period in sorted(periods, key=_order):
        if period.last < period.first:
            raise ValueError(f"ends on {period.last}, before it begins on {period.first}")
        grouped.setdefault(_shape(period), []).append(period)
    return [
        Times(
            suffix=f"-{starts:%H%M}-{minutes}" if at else "",
            fields=_fields(group, starts, minutes, zone),
        )
        for at, ((starts, minutes), group) in enumerate(grouped.items())
    ]


def _order(period: Period) -> tuple[dt.date, dt.time, dt.date]:
    return period.first, period.starts or dt.time(), period.last


def _shape(period: Period) -> tuple[dt.time, int]:
    """Wall-clock start and length in minutes (0 where the end is unknown)."""
    if period.starts is None:
        return dt.time(), ((period.last - period.first).days + 1) * _DAY_MIN
    if period.ends is None:
        return period.starts, 0
    minutes = _minutes(period.ends) - _minutes(period.starts)
    return period.starts, minutes if minutes >= 0 else minutes + _DAY_MIN


def _minutes(time: dt.time) -> int:
    return time.hour * 60 + time.minute


def _fields(
    group: list[Period], starts: dt.time, minutes: int, zone: zoneinfo.ZoneInfo
) -> dict[str, object]:
    daily = group[0].starts is not None
    if len(group) == 1 and (not daily or group[0].first == group[0].last):
        start = dt.datetime.combine(group[0].first, starts, tzinfo=zone)
        if not minutes:
            return {"start": start}
        # Wall-clock: a day of 25 hours ends at midnight too.
        end = start + dt.timedelta(minutes=minutes)
        return {"start": start, "end": end}
    recurrence: dict[str, object] = {
        "start_rule": {"time": starts},
        "duration_min": minutes,
        "time_zone": zone.key,
    }
    if len(group) == 1:
        until = group[0].last.strftime("%Y%m%d")
        recurrence |= {"rrule": f"FREQ=DAILY;UNTIL={until}", "first_date": group[0].first}
    else:
        recurrence["dates"] = _days(group, daily)
    return {"recurrence": recurrence}


def _days(group: list[Period], daily: bool) -> list[dt.date]:
    if not daily:
        return sorted({period.first for period in group})
    count = sum((period.last - period.first).days + 1 for period in group)
    if count > limits.OCCURRENCE_CHANGES_MAX:
        raise ValueError(f"have {count} days, more than {limits.OCCURRENCE_CHANGES_MAX}")
    return sorted(
        {
            period.first + n * _DAY
            for period in group
            for n in range((period.last - period.first).days + 1)
        }
    )
