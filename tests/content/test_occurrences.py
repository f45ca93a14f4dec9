"""When events happen."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import msgspec
import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from content import limits, occurrences
from content.errors import TooManyOccurrences
from content.events import EventRecord
from content.fields import instant_ms
from content.occurrences import Occurrence, Sky, expand, sun_ms

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
SKY = Sky(PARIS, 6.13, 45.9)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def ms(text: str) -> int:
    return instant_ms(dt.datetime.fromisoformat(text).replace(tzinfo=PARIS))


def daily(start_rule: dict[str, Any], **changes: Any) -> EventRecord:
    event = {k: v for k, v in changes.items() if k in EventRecord.__struct_fields__}
    recurrence = {
        "rrule": "FREQ=DAILY",
        "first_date": "2026-01-01",
        "start_rule": start_rule,
        "duration_min": 90,
    } | {k: v for k, v in changes.items() if k not in event}
    record = {"id": "e", "name": {"fr": "E"}, "recurrence": recurrence} | event
    return msgspec.convert(record, EventRecord)


def starts(found: list[Occurrence]) -> list[str]:
    return [dt.datetime.fromtimestamp(o.start_ms / 1000, tz=PARIS).isoformat()[:16] for o in found]


def window(event: EventRecord, first: str, last: str) -> list[Occurrence]:
    return expand([event], ms(first), ms(last), SKY)


def test_a_wall_clock_start_keeps_its_hour_over_the_change_to_summer_time() -> None:
    event = daily({"time": "18:30:00"})
    found = starts(window(event, "2026-03-28T00:00", "2026-03-31T00:00"))
    assert found == ["2026-03-28T18:30", "2026-03-29T18:30", "2026-03-30T18:30"]


def test_a_start_that_the_clock_skips_counts_with_the_offset_before() -> None:
    event = daily({"time": "02:30:00"})
    (found,) = window(event, "2026-03-29T01:00", "2026-03-29T12:00")
    assert found.start_ms == ms("2026-03-29T01:30") + HOUR


def test_a_start_that_happens_twice_is_the_first() -> None:
    event = daily({"time": "02:30:00"}, duration_min=10)
    (found,) = window(event, "2026-10-25T00:00", "2026-10-25T12:00")
    assert found.start_ms == ms("2026-10-25T01:30") + HOUR


def test_an_event_that_starts_with_the_sun_moves_with_it() -> None:
    event = daily({"sun": "sunset", "offset_min": -90})
    summer = starts(window(event, "2026-07-18T12:00", "2026-07-19T00:00"))
    winter = starts(window(event, "2026-12-21T12:00", "2026-12-22T00:00"))
    # Sunset at Annecy: 21:19 and 16:52 by any almanac, give or take a minute.
    assert summer == ["2026-07-18T19:49"]
    assert winter == ["2026-12-21T15:22"]


def test_a_start_with_the_sun_is_a_whole_minute_and_never_after_the_sun() -> None:
    event = daily({"sun": "sunset"})
    for found in window(event, "2026-01-01T00:00", "2026-12-31T00:00"):
        sun = sun_ms("sunset", found.date, SKY)
        assert sun is not None
        assert found.start_ms % MINUTE == 0
        assert 0 <= sun - found.start_ms < MINUTE


def test_where_the_sun_does_not_set_nothing_starts_with_it() -> None:
    north = Sky(zoneinfo.ZoneInfo("Europe/Oslo"), 18.9, 69.6)
    event = daily({"sun": "sunset"})
    june = ms("2026-06-10T00:00"), ms("2026-06-20T00:00")
    assert expand([event], *june, north) == []
    assert len(expand([event], *june, SKY)) == 10


def test_what_is_going_on_counts_and_what_has_ended_does_not() -> None:
    event = daily({"time": "18:00:00"}, duration_min=60)
    assert starts(window(event, "2026-07-18T18:59", "2026-07-18T19:30")) == ["2026-07-18T18:00"]
    assert window(event, "2026-07-18T19:00", "2026-07-18T20:00") == []
    assert window(event, "2026-07-18T17:00", "2026-07-18T18:00") == []


def test_one_that_lasts_over_days_is_found_from_its_middle() -> None:
    event = daily({"time": "18:00:00"}, duration_min=3 * 24 * 60, rrule="FREQ=WEEKLY")
    assert starts(window(event, "2026-07-18T10:00", "2026-07-18T11:00")) == ["2026-07-16T18:00"]


def test_days_are_added_left_out_and_changed() -> None:
    event = daily(
        {"time": "18:00:00"},
        rrule="FREQ=WEEKLY;BYDAY=SA",
        dates=["2026-07-14"],
        except_dates=["2026-07-25"],
        remaining_places=12,
        changes=[
            {"date": "2026-07-11", "status": "cancelled"},
            {"date": "2026-07-18", "remaining_places": 2},
        ],
    )
    found = window(event, "2026-07-10T00:00", "2026-07-31T00:00")
    assert [(o.id, o.status, o.remaining_places) for o in found] == [
        ("e@2026-07-11", "cancelled", 12),
        ("e@2026-07-14", "scheduled", 12),
        ("e@2026-07-18", "scheduled", 2),
    ]


def test_an_event_called_off_as_a_whole_is_not_brought_back_by_a_day() -> None:
    changes = [{"date": "2026-07-18", "status": "scheduled"}]
    event = daily({"time": "18:00:00"}, status="cancelled", changes=changes)
    (found,) = window(event, "2026-07-18T00:00", "2026-07-19T00:00")
    assert found.status == "cancelled"


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20260720", "2026-07-20T18:00"),
        ("20260720T160000Z", "2026-07-20T18:00"),
        ("20260720T155959Z", "2026-07-19T18:00"),
        ("20260720T180000", "2026-07-20T18:00"),
        ("20260719T220000Z", "2026-07-19T18:00"),
    ],
)
def test_until_is_the_last_instant_at_which_one_may_start(until: str, last: str) -> None:
    event = daily({"time": "18:00:00"}, rrule=f"FREQ=DAILY;UNTIL={until}")
    assert starts(window(event, "2026-07-10T00:00", "2026-08-01T00:00"))[-1] == last


def test_count_counts_from_the_first_day_whatever_the_window() -> None:
    event = daily({"time": "18:00:00"}, rrule="FREQ=DAILY;COUNT=3", first_date="2026-07-01")
    assert len(window(event, "2026-06-01T00:00", "2026-09-01T00:00")) == 3
    assert starts(window(event, "2026-07-03T00:00", "2026-09-01T00:00")) == ["2026-07-03T18:00"]


def test_a_rule_that_never_meets_a_day_ends_with_the_window() -> None:
    event = daily({"time": "18:00:00"}, rrule="FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")
    assert window(event, "2026-01-01T00:00", "2027-01-01T00:00") == []


def test_an_event_may_have_a_clock_of_its_own() -> None:
    event = daily({"time": "18:00:00"}, time_zone="Europe/London")
    found = starts(window(event, "2026-07-18T00:00", "2026-07-19T00:00"))
    assert found == ["2026-07-18T19:00"]


def test_once_is_once_and_without_an_end_counts_by_its_start() -> None:
    once = msgspec.convert(
        {"id": "o", "name": {"fr": "O"}, "start": "2026-07-18T20:00:00+02:00", "zone_id": "z"},
        EventRecord,
    )
    (found,) = window(once, "2026-07-18T20:00", "2026-07-18T20:01")
    assert (found.start_ms, found.end_ms, found.zone_id) == (
        ms("2026-07-18T20:00"), ms("2026-07-18T20:00"), "z",
    )  # fmt: skip
    assert found.date == dt.date(2026, 7, 18)
    assert window(once, "2026-07-18T20:01", "2026-07-19T20:01") == []


def test_more_than_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OCCURRENCES_MAX", 10)
    with pytest.raises(TooManyOccurrences) as caught:
        window(daily({"time": "18:00:00"}), "2026-07-01T00:00", "2026-08-01T00:00")
    assert caught.value.limit == 10


def test_a_window_beyond_the_calendar_is_empty_or_cut_not_an_error() -> None:
    event = daily({"time": "18:00:00"}, rrule="FREQ=DAILY;COUNT=2")
    assert len(expand([event], -(10**15), 10**15, SKY)) == 2
    assert len(expand([event], -(10**18), 10**18, SKY)) == 2
    assert occurrences.expand([event], 10**15, 2 * 10**15, SKY) == []


RULES = st.sampled_from(
    [
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;BYDAY=MO,TH",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU",
        "FREQ=MONTHLY;BYDAY=-1SA",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=YEARLY;BYMONTH=7;BYMONTHDAY=14",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "FREQ=YEARLY;BYWEEKNO=1,53,-1;BYDAY=MO,SU",
        "FREQ=YEARLY;BYWEEKNO=1,-1;BYDAY=TU,SA;WKST=SU",
        "FREQ=YEARLY;BYYEARDAY=1,100,-1",
        "FREQ=YEARLY;BYDAY=20MO,-1FR",
        "FREQ=YEARLY;BYMONTH=7,8;BYDAY=2SA",
        "FREQ=YEARLY;INTERVAL=2",
        "FREQ=MONTHLY",
        "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=-1,15",
        "FREQ=MONTHLY;BYDAY=1MO,-1FR",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "FREQ=WEEKLY",
        "FREQ=DAILY;BYMONTH=1,7;BYDAY=SA,SU",
        "FREQ=DAILY;BYMONTHDAY=-1",
        "FREQ=DAILY;INTERVAL=7;COUNT=10",
        "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1,-1;COUNT=9",
    ]
)


@settings(max_examples=150, deadline=None)
@given(RULES, st.integers(0, 700), st.integers(1, 90))
def test_days_are_those_dateutil_gives_from_the_first_day(
    rule: str, after_days: int, length_days: int
) -> None:
    first = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - dateutil's oracle walks naive days
    low = dt.datetime(2026, 1, 1, tzinfo=PARIS) + dt.timedelta(days=after_days)
    high = low + dt.timedelta(days=length_days)
    event = daily({"time": "12:00:00"}, rrule=rule, duration_min=0)
    found = expand([event], instant_ms(low), instant_ms(high), SKY)
    expected = [
        day.date()
        for day in rrulestr(rule, dtstart=first).between(
            low.replace(tzinfo=None), high.replace(tzinfo=None), inc=True
        )
        if low <= day.replace(hour=12, tzinfo=PARIS) < high
    ]
    assert [o.date for o in found] == expected
