"""schema.org's OpeningHoursSpecification into OpenStreetMap's opening_hours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import pairwise

from content.formats import loose

_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_NAMES = {
    name: at
    for at, name in enumerate(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    )
}
_HOLIDAYS = 7
_EVERY_DAY = tuple(range(7))
_Span = tuple[dt.date | None, dt.date | None]


def opening_hours(specifications: Iterable[object]) -> str:
    """The rules of OpeningHoursSpecifications, which say opens, closes, dayOfWeek, validFrom and
    validThrough, with or without the prefix `schema:`; empty where any of them cannot be read.

    Hours without a day of the week are not read: a source that repeats them has lost its days.
    """
    read: dict[_Span, dict[int, list[str]]] = {}
    for raw in specifications:
        got = _read(raw)
        if got is None:
            return ""
        span, days, hours = got
        for day in days:
            read.setdefault(span, {}).setdefault(day, []).append(hours)
    if not read:
        return ""
    rules = []
    for span in sorted(read, key=str):
        for days, hours in _by_hours(read[span]):
            parts = (_span(span), _shown(days), hours)
            rules.append(" ".join(part for part in parts if part))
    # A later rule replaces the earlier on its days; one after a comma adds to it.
    return ("; " if _apart(read) else ", ").join(rules)


def _read(raw: object) -> tuple[_Span, tuple[int, ...], str] | None:
    def got(name: str) -> object:
        found = loose.member(raw, name)
        return loose.member(raw, f"schema:{name}") if found is None else found

    opens, closes = loose.clock(got("opens")), loose.clock(got("closes"))
    if opens is None:
        return None
    named = [_day(each) for each in loose.many(got("dayOfWeek"))]
    if not named or any(day is None for day in named):
        return None
    days = tuple(sorted({day for day in named if day is not None}))
    hours = f"{opens:%H:%M}-{closes:%H:%M}" if closes is not None else f"{opens:%H:%M}+"
    if closes == dt.time(0):
        hours = f"{opens:%H:%M}-24:00"
    span = (loose.day(got("validFrom")), loose.day(got("validThrough")))
    return span, days, hours


def _day(raw: object) -> int | None:
    name = loose.text(raw).rsplit("/", 1)[-1].rsplit(":", 1)[-1].lower()
    return _HOLIDAYS if name == "publicholidays" else _NAMES.get(name)


def _by_hours(days: dict[int, list[str]]) -> list[tuple[tuple[int, ...], str]]:
    """Days with the same hours together, by their first day."""
    together: dict[str, list[int]] = {}
    for day in sorted(days):
        together.setdefault(",".join(sorted(set(days[day]))), []).append(day)
    return sorted((tuple(found), hours) for hours, found in together.items())


def _shown(days: tuple[int, ...]) -> str:
    if days == _EVERY_DAY:
        return ""
    week = [day for day in days if day != _HOLIDAYS]
    runs: list[list[int]] = []
    for day in week:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    shown = [
        _DAYS[run[0]] if len(run) == 1 else f"{_DAYS[run[0]]}-{_DAYS[run[-1]]}" for run in runs
    ]
    return ",".join(shown + ["PH"] * (len(week) < len(days)))


def _span(span: _Span) -> str:
    first, last = span
    if first is None and last is None:
        return ""
    if first is None or last is None:
        # No end is written as an open year range, which parsers agree on.
        return f"{first.year}+" if first is not None else ""
    if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31):
        return f"{first.year}" if first.year == last.year else f"{first.year}-{last.year}"
    return f"{_date(first)}-{_date(last)}"


def _date(day: dt.date) -> str:
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return f"{day.year} {months[day.month - 1]} {day.day:02}"


def _apart(read: dict[_Span, dict[int, list[str]]]) -> bool:
    spans = sorted((first or dt.date.min, last or dt.date.max) for first, last in read)
    return all(one[1] < other[0] for one, other in pairwise(spans))
