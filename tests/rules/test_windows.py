"""Windows by hand-worked tables: days of 23 and 25 hours, midnight, leap days, other time zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.campaigns import DateRange, Season, Weekly
from rules.errors import UnknownTimeZoneError
from rules.windows import DAYS, LocalClock, date_range, season, weekly

PARIS = "Europe/Paris"
LORD_HOWE = "Australia/Lord_Howe"  # its summer time is half an hour


def at(utc: str) -> int:
    return int(datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp() * 1000)


# Each row: time zone, days, start, end, instant in UTC, inside? The comment is the wall clock.
WEEKLY = [
    # An ordinary Wednesday in summer, Paris is UTC+2; start included, end excluded.
    (PARIS, "wed", "17:00", "21:00", "2025-06-18T14:59:59", False),  # 16:59:59
    (PARIS, "wed", "17:00", "21:00", "2025-06-18T15:00:00", True),  # 17:00:00
    (PARIS, "wed", "17:00", "21:00", "2025-06-18T18:59:59", True),  # 20:59:59
    (PARIS, "wed", "17:00", "21:00", "2025-06-18T19:00:00", False),  # 21:00:00
    (PARIS, "thu", "17:00", "21:00", "2025-06-18T16:00:00", False),  # 18:00 on Wednesday
    (PARIS, "wed", "00:00", "24:00", "2025-06-17T21:59:59", False),  # Tuesday 23:59:59
    (PARIS, "wed", "00:00", "24:00", "2025-06-17T22:00:00", True),  # Wednesday 00:00
    (PARIS, "wed", "00:00", "24:00", "2025-06-18T21:59:59", True),  # Wednesday 23:59:59
    # Over midnight: the day is that of the start.
    (PARIS, "fri", "22:00", "02:00", "2025-06-20T20:00:00", True),  # Friday 22:00
    (PARIS, "fri", "22:00", "02:00", "2025-06-20T23:59:59", True),  # Saturday 01:59:59
    (PARIS, "fri", "22:00", "02:00", "2025-06-21T00:00:00", False),  # Saturday 02:00
    (PARIS, "fri", "22:00", "02:00", "2025-06-19T23:30:00", False),  # Friday 01:30: Thursday's
    (PARIS, "sun", "22:00", "02:00", "2025-06-22T23:30:00", True),  # Monday 01:30: Sunday's
    (PARIS, "mon", "22:00", "02:00", "2025-06-22T23:30:00", False),
    # Start and end alike: a whole day from the start.
    (PARIS, "sat", "06:00", "06:00", "2025-06-21T03:59:59", False),  # Saturday 05:59:59
    (PARIS, "sat", "06:00", "06:00", "2025-06-21T04:00:00", True),  # Saturday 06:00
    (PARIS, "sat", "06:00", "06:00", "2025-06-22T03:59:59", True),  # Sunday 05:59:59
    (PARIS, "sat", "06:00", "06:00", "2025-06-22T04:00:00", False),  # Sunday 06:00
    # Sunday 30 March 2025, 23 hours: at 01:00 UTC the clock jumps from 02:00 to 03:00.
    (PARIS, "sun", "02:30", "04:00", "2025-03-30T00:59:59", False),  # 01:59:59
    (PARIS, "sun", "02:30", "04:00", "2025-03-30T01:00:00", True),  # 03:00: first after the gap
    (PARIS, "sun", "02:30", "04:00", "2025-03-30T01:59:59", True),  # 03:59:59
    (PARIS, "sun", "02:30", "04:00", "2025-03-30T02:00:00", False),  # 04:00
    (PARIS, "sun", "02:00", "03:00", "2025-03-30T00:59:59", False),  # a window that the gap eats
    (PARIS, "sun", "02:00", "03:00", "2025-03-30T01:00:00", False),
    (PARIS, "sat", "21:00", "02:30", "2025-03-30T00:59:59", True),  # 01:59:59
    (PARIS, "sat", "21:00", "02:30", "2025-03-30T01:00:00", False),  # 03:00 is past 02:30
    # Sunday 26 October 2025, 25 hours: at 01:00 UTC the clock goes back from 03:00 to 02:00.
    (PARIS, "sun", "02:15", "02:45", "2025-10-26T00:15:00", True),  # 02:15 the first time
    (PARIS, "sun", "02:15", "02:45", "2025-10-26T00:45:00", False),  # 02:45 the first time
    (PARIS, "sun", "02:15", "02:45", "2025-10-26T01:00:00", False),  # 02:00 the second time
    (PARIS, "sun", "02:15", "02:45", "2025-10-26T01:15:00", True),  # 02:15 the second time
    (PARIS, "sun", "02:15", "02:45", "2025-10-26T01:45:00", False),
    (PARIS, "sat", "21:00", "02:30", "2025-10-26T00:29:59", True),  # 02:29:59 the first time
    (PARIS, "sat", "21:00", "02:30", "2025-10-26T00:30:00", False),  # 02:30
    (PARIS, "sat", "21:00", "02:30", "2025-10-26T01:10:00", True),  # 02:10 again
    (PARIS, "sat", "21:00", "02:30", "2025-10-26T01:30:00", False),
    # Half an hour of summer time: 5 October 2025, 02:00 becomes 02:30 (UTC+10:30 to +11).
    (LORD_HOWE, "sun", "02:10", "02:40", "2025-10-04T15:29:59", False),  # 01:59:59
    (LORD_HOWE, "sun", "02:10", "02:40", "2025-10-04T15:30:00", True),  # 02:30
    (LORD_HOWE, "sun", "02:10", "02:40", "2025-10-04T15:40:00", False),  # 02:40
    # Quarter-hour offsets, and the date line.
    ("Asia/Kathmandu", "mon", "09:00", "10:00", "2025-06-16T03:15:00", True),  # 09:00, +5:45
    ("Asia/Kathmandu", "mon", "09:00", "10:00", "2025-06-16T03:14:59", False),
    ("Pacific/Kiritimati", "tue", "00:00", "01:00", "2025-06-16T10:00:00", True),  # +14
    ("Pacific/Honolulu", "sun", "23:00", "24:00", "2025-06-16T09:30:00", True),  # -10
    # The eve and the days around 29 February.
    (PARIS, "wed", "22:00", "02:00", "2024-02-29T00:30:00", True),  # Thursday 29th, 01:30
    (PARIS, "thu", "22:00", "02:00", "2024-03-01T00:30:00", True),  # Friday 1 March, 01:30
]


@pytest.mark.parametrize(("zone", "day", "start", "end", "utc", "inside"), WEEKLY)
def test_a_weekly_window_goes_by_the_wall_clock(
    zone: str, day: str, start: str, end: str, utc: str, inside: bool
) -> None:
    ask = weekly(LocalClock(zone), Weekly(days=(day,), start=start, end=end))  # type: ignore[arg-type]
    assert ask(at(utc)).truth == inside


SEASON = [
    ("06-15", "09-15", "2025-06-14T21:59:59", False),  # 14 June 23:59:59
    ("06-15", "09-15", "2025-06-14T22:00:00", True),  # 15 June 00:00
    ("06-15", "09-15", "2025-09-15T21:59:59", True),  # 15 September 23:59:59
    ("06-15", "09-15", "2025-09-15T22:00:00", False),
    ("12-20", "01-05", "2025-12-31T23:30:00", True),  # 1 January 00:30
    ("12-20", "01-05", "2026-01-05T22:59:59", True),
    ("12-20", "01-05", "2026-01-05T23:00:00", False),
    ("12-20", "01-05", "2025-12-19T22:59:59", False),
    ("02-01", "02-29", "2025-02-28T12:00:00", True),  # a year without a 29th
    ("02-01", "02-29", "2025-03-01T12:00:00", False),
    ("02-01", "02-29", "2024-02-29T12:00:00", True),
    ("02-29", "03-10", "2025-02-28T12:00:00", False),
    ("02-29", "03-10", "2025-03-01T12:00:00", True),
    ("02-29", "03-10", "2024-02-29T12:00:00", True),
    ("02-29", "02-29", "2024-02-29T12:00:00", True),
    ("02-29", "02-29", "2025-03-01T12:00:00", False),
]


@pytest.mark.parametrize(("first", "last", "utc", "inside"), SEASON)
def test_a_season_comes_every_year_and_knows_leap_days(
    first: str, last: str, utc: str, inside: bool
) -> None:
    ask = season(LocalClock(PARIS), Season(first=first, last=last))
    assert ask(at(utc)).truth == inside


@pytest.mark.parametrize(
    ("first", "last", "utc", "inside"),
    [
        (date(2024, 2, 29), date(2024, 2, 29), "2024-02-28T23:00:00", True),
        (date(2024, 2, 29), date(2024, 2, 29), "2024-02-29T22:59:59", True),
        (date(2024, 2, 29), date(2024, 2, 29), "2024-02-29T23:00:00", False),
        (date(2025, 3, 30), date(2025, 3, 30), "2025-03-29T22:59:59", False),
        (date(2025, 3, 30), date(2025, 3, 30), "2025-03-29T23:00:00", True),
        (date(2025, 3, 30), date(2025, 3, 30), "2025-03-30T21:59:59", True),  # 23 hours later
        (date(2025, 3, 30), date(2025, 3, 30), "2025-03-30T22:00:00", False),
        (None, date(2025, 1, 1), "1999-01-01T00:00:00", True),
        (date(2025, 1, 1), None, "2099-01-01T00:00:00", True),
    ],
)
def test_a_date_range_takes_in_both_of_its_days(
    first: date | None, last: date | None, utc: str, inside: bool
) -> None:
    ask = date_range(LocalClock(PARIS), DateRange(first=first, last=last))
    assert ask(at(utc)).truth == inside


zones = st.sampled_from(
    (PARIS, LORD_HOWE, "America/St_Johns", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia")
)
instants = st.one_of(
    st.integers(at("1975-01-01"), at("2037-12-31")),
    # Close to changes of the clock, where it is interesting.
    st.builds(
        lambda base, off: at(base) + off,
        st.sampled_from(
            ["2025-03-30T01:00", "2025-10-26T01:00", "2025-10-04T15:30", "2025-03-09T05:30"]
        ),
        st.integers(-8_000_000, 8_000_000),
    ),
)
times = st.integers(0, 1439).map(lambda m: f"{m // 60:02d}:{m % 60:02d}")


@given(zones, instants, times, times, st.sets(st.sampled_from(DAYS), min_size=1), st.floats(0, 1))
def test_a_weekly_answer_is_right_and_holds_as_long_as_it_says(
    zone: str, now_ms: int, start: str, end: str, days: set[str], share: float
) -> None:
    data = Weekly(days=tuple(sorted(days)), start=start, end=end)  # type: ignore[arg-type]
    ask = weekly(LocalClock(zone), data)
    span = ask(now_ms)
    assert span.until_ms > now_ms
    later = now_ms + int((span.until_ms - 1 - now_ms) * share)
    assert span.truth == naive_weekly(zone, data, now_ms)
    assert span.truth == naive_weekly(zone, data, later)


def naive_weekly(zone: str, data: Weekly, now_ms: int) -> bool:
    """The same by datetime arithmetic alone."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)).astimezone(
        ZoneInfo(zone)
    )
    clock, today = local.strftime("%H:%M:%S"), local.strftime("%a").lower()
    yesterday = (local.date() - timedelta(days=1)).strftime("%a").lower()
    if data.start < data.end:
        return today in data.days and data.start <= clock and clock[:5] < data.end
    return (today in data.days and clock >= data.start) or (
        yesterday in data.days and clock[:5] < data.end
    )


@given(zones, instants)
def test_the_wall_clock_is_that_of_the_tz_database(zone: str, now_ms: int) -> None:
    wall = LocalClock(zone).wall(now_ms)
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)).astimezone(
        ZoneInfo(zone)
    )
    midnight = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    assert wall.date == local.date()
    assert wall.ms == (local.replace(tzinfo=None) - midnight) // timedelta(milliseconds=1)


def test_a_time_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownTimeZoneError) as caught:
        LocalClock("Europe/Atlantis")
    assert caught.value.name == "Europe/Atlantis"
