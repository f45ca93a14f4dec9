"""The days of an RFC 5545 recurrence rule (RRULE): daily, weekly, monthly or yearly.

Days only: what names hours and minutes is refused, a start rule says those. A day belongs to a
rule if its period (day, week, month, year) is a whole number of intervals after the first day's,
every BY part holds for it, and BYSETPOS picks it among such days of its period. Walks are bounded
by the days asked for, so that a rule which never meets a day (30 February) costs no more than one
that does.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import itertools
import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from content.errors import RecordInvalid

Frequency = Literal["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]

_DAY_NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BY_DAY = re.compile(r"^([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)$")
_NUMBER = re.compile(r"^[+-]?\d{1,3}$")
_UNTIL = re.compile(r"^\d{8}(T\d{6}Z?)?$")
_FREQUENCIES: dict[str, Frequency] = {
    "DAILY": "DAILY",
    "WEEKLY": "WEEKLY",
    "MONTHLY": "MONTHLY",
    "YEARLY": "YEARLY",
}
# Largest magnitude of each list of numbers, and the frequencies with which RFC 5545 allows it.
_NUMBERS: dict[str, tuple[int, tuple[Frequency, ...]]] = {
    "BYMONTH": (12, ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")),
    "BYMONTHDAY": (31, ("DAILY", "MONTHLY", "YEARLY")),
    "BYYEARDAY": (366, ("YEARLY",)),
    "BYWEEKNO": (53, ("YEARLY",)),
    "BYSETPOS": (366, ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")),
}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule taken apart. by_day: (ordinal or 0, weekday from 0 for Monday); until: as written."""

    frequency: Frequency
    interval: int
    count: int | None
    until: str | None
    week_start: int
    by_day: frozenset[tuple[int, int]]
    by_month: frozenset[int]
    by_month_day: frozenset[int]
    by_year_day: frozenset[int]
    by_week: frozenset[int]
    by_position: frozenset[int]


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Rule:
    """Take an RRULE value apart. Raises RecordInvalid, naming the part, on what it cannot mean."""
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name in parts:
            raise RecordInvalid("rrule", f"cannot read {part!r}")
        parts[name] = value
    frequency = _FREQUENCIES.get(parts.pop("FREQ", ""))
    if frequency is None:
        raise RecordInvalid("rrule", "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY")
    if "COUNT" in parts and "UNTIL" in parts:
        raise RecordInvalid("rrule", "COUNT and UNTIL exclude each other")
    sets = parts.keys() & {"BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"}
    rule = Rule(
        frequency=frequency,
        interval=_positive("INTERVAL", parts.pop("INTERVAL", "1")),
        count=_positive("COUNT", parts.pop("COUNT")) if "COUNT" in parts else None,
        until=_until(parts.pop("UNTIL")) if "UNTIL" in parts else None,
        week_start=_week_start(parts.pop("WKST", "MO")),
        by_day=_by_day(parts.pop("BYDAY", ""), frequency, "BYWEEKNO" in parts),
        by_month=_numbers("BYMONTH", parts, frequency),
        by_month_day=_numbers("BYMONTHDAY", parts, frequency),
        by_year_day=_numbers("BYYEARDAY", parts, frequency),
        by_week=_numbers("BYWEEKNO", parts, frequency),
        by_position=_numbers("BYSETPOS", parts, frequency),
    )
    if parts:
        raise RecordInvalid("rrule", f"{next(iter(parts))} is not supported")
    if rule.by_position and not sets:
        raise RecordInvalid("rrule", "BYSETPOS needs another BY part")
    return rule


def days(rule: Rule, first: dt.date, low: dt.date, high: dt.date) -> Iterator[dt.date]:
    """The days of a rule that begins at `first`, from `low` to `high`, both included, ascending.

    COUNT counts from the first day whatever `low` is. UNTIL is the caller's to apply, through
    `high`: whether its last day counts depends on the time of the start.
    """
    rule = _completed(rule, first)
    found = (day for day in _walk(rule, first, low, high) if day >= first)
    for day in itertools.islice(found, rule.count):
        if day > high:
            return
        if day >= low:
            yield day


def _walk(rule: Rule, first: dt.date, low: dt.date, high: dt.date) -> Iterator[dt.date]:
    """All days of the periods that begin by `high`; without a COUNT, of those that reach `low`."""
    step = 0 if rule.count is not None else _steps_before(rule, first, low)
    while True:
        start, length = _period(rule, first, step * rule.interval)
        if start > high:
            return
        period = (start + dt.timedelta(days=n) for n in range(length))
        matching = [day for day in period if _holds(rule, day)]
        if rule.by_position:
            wanted = {p - 1 if p > 0 else len(matching) + p for p in rule.by_position}
            matching = [day for n, day in enumerate(matching) if n in wanted]
        yield from matching
        step += 1


def _steps_before(rule: Rule, first: dt.date, low: dt.date) -> int:
    """How many intervals can be skipped without passing `low`."""
    match rule.frequency:
        case "DAILY":
            periods = (low - first).days
        case "WEEKLY":
            periods = (low - _week_of(first, rule.week_start)).days // 7
        case "MONTHLY":
            periods = (low.year - first.year) * 12 + low.month - first.month
        case "YEARLY":
            periods = low.year - first.year
    return max(0, periods // rule.interval)


def _period(rule: Rule, first: dt.date, index: int) -> tuple[dt.date, int]:
    """The first day and the length of a period, counted from the one that holds `first`."""
    match rule.frequency:
        case "DAILY":
            return first + dt.timedelta(days=index), 1
        case "WEEKLY":
            return _week_of(first, rule.week_start) + dt.timedelta(weeks=index), 7
        case "MONTHLY":
            year, month = divmod(first.year * 12 + first.month - 1 + index, 12)
            return dt.date(year, month + 1, 1), calendar.monthrange(year, month + 1)[1]
        case "YEARLY":
            year = first.year + index
            return dt.date(year, 1, 1), 365 + calendar.isleap(year)


def _holds(rule: Rule, day: dt.date) -> bool:
    if rule.by_month and day.month not in rule.by_month:
        return False
    month_length = calendar.monthrange(day.year, day.month)[1]
    year_length = 365 + calendar.isleap(day.year)
    year_day = day.timetuple().tm_yday
    if rule.by_month_day and rule.by_month_day.isdisjoint((day.day, day.day - month_length - 1)):
        return False
    if rule.by_year_day and rule.by_year_day.isdisjoint((year_day, year_day - year_length - 1)):
        return False
    if rule.by_week and rule.by_week.isdisjoint(_week_numbers(day, rule.week_start)):
        return False
    if not rule.by_day:
        return True
    if rule.frequency == "MONTHLY" or rule.by_month:
        at, length = day.day, month_length
    else:
        at, length = year_day, year_length
    forward, backward = (at - 1) // 7 + 1, -((length - at) // 7 + 1)
    weekday = day.weekday()
    return not rule.by_day.isdisjoint(((0, weekday), (forward, weekday), (backward, weekday)))


def _week_of(day: dt.date, week_start: int) -> dt.date:
    return day - dt.timedelta(days=(day.weekday() - week_start) % 7)


def _week_numbers(day: dt.date, week_start: int) -> tuple[int, int]:
    """The number of a day's week from the start of its year and, negative, from the end.

    A week belongs to the year that has most of it, which is that of its fourth day (ISO 8601).
    """
    fourth = _week_of(day, week_start) + dt.timedelta(days=3)
    number = (fourth.timetuple().tm_yday - 1) // 7 + 1
    # 28 December always lies in the last week of its year.
    last = _week_of(dt.date(fourth.year, 12, 28), week_start) + dt.timedelta(days=3)
    return number, number - ((last.timetuple().tm_yday - 1) // 7 + 1) - 1


def _completed(rule: Rule, first: dt.date) -> Rule:
    """The rule with what it leaves open taken from its first day (RFC 5545, section 3.3.10)."""
    if rule.by_day or rule.by_month_day or rule.by_year_day:
        return rule
    match rule.frequency:
        case "DAILY":
            return rule
        case "MONTHLY":
            return msgspec.structs.replace(rule, by_month_day=frozenset({first.day}))
        case "YEARLY" if not rule.by_week:
            months = rule.by_month or frozenset({first.month})
            return msgspec.structs.replace(
                rule, by_month=months, by_month_day=frozenset({first.day})
            )
    return msgspec.structs.replace(rule, by_day=frozenset({(0, first.weekday())}))


# --- parts of the text ---------------------------------------------------------------------------


def _positive(name: str, value: str) -> int:
    if _NUMBER.match(value) and int(value) > 0:
        return int(value)
    raise RecordInvalid("rrule", f"{name} cannot be {value!r}")


def _until(value: str) -> str:
    try:
        if _UNTIL.match(value):
            dt.datetime.fromisoformat(value)
            return value
    except ValueError:
        pass
    raise RecordInvalid("rrule", f"UNTIL cannot be {value!r}")


def _week_start(value: str) -> int:
    if value not in _DAY_NAMES:
        raise RecordInvalid("rrule", f"WKST cannot be {value!r}")
    return _DAY_NAMES.index(value)


def _by_day(value: str, frequency: Frequency, by_week: bool) -> frozenset[tuple[int, int]]:
    found = set()
    for item in value.split(",") if value else ():
        match = _BY_DAY.match(item)
        if match is None or (match[1] is not None and int(match[1]) == 0):
            raise RecordInvalid("rrule", f"BYDAY cannot be {value!r}")
        ordinal = int(match[1] or 0)
        if ordinal and (frequency not in ("MONTHLY", "YEARLY") or by_week):
            raise RecordInvalid("rrule", f"BYDAY {item} needs FREQ=MONTHLY or YEARLY")
        found.add((ordinal, _DAY_NAMES.index(match[2])))
    return frozenset(found)


def _numbers(name: str, parts: dict[str, str], frequency: Frequency) -> frozenset[int]:
    """A list of numbers, taken out of the parts; empty where it is not given."""
    value = parts.pop(name, "")
    if not value:
        return frozenset()
    most, allowed = _NUMBERS[name]
    if frequency not in allowed:
        raise RecordInvalid("rrule", f"{name} does not go with FREQ={frequency}")
    least = 1 if name == "BYMONTH" else -most
    numbers = [int(item) for item in value.split(",") if _NUMBER.match(item)]
    if len(numbers) < value.count(",") + 1 or any(
        n == 0 or not least <= n <= most for n in numbers
    ):
        raise RecordInvalid("rrule", f"{name} cannot be {value!r}")
    return frozenset(numbers)
