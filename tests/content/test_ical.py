"""iCalendar: occurrences as dateutil finds them, odd values reported, out and in again."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import msgspec
import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from content.errors import FormatInvalid
from content.events import EventRecord
from content.fields import instant_ms
from content.formats import ical
from content.formats.report import Report
from content.occurrences import Sky, expand

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
SKY = Sky(PARIS, 6.13, 45.9)
NOW_MS = instant_ms(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
FAR_MS = instant_ms(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))


def read(*events: str) -> Report[EventRecord]:
    body = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    data = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\n{body}END:VCALENDAR\n".replace("\n", "\r\n")
    return ical.read_events(data.encode(), language="fr", time_zone="Europe/Paris")


def starts(*records: EventRecord) -> list[int]:
    return [occurrence.start_ms for occurrence in expand(records, 0, FAR_MS, SKY)]


def at(*parts: int, zone: dt.tzinfo = PARIS) -> int:
    return instant_ms(dt.datetime(*parts, tzinfo=zone))  # type: ignore[arg-type,misc]


def test_zones_languages_places_and_categories_are_kept() -> None:
    report = read(
        "UID:a\nSUMMARY;LANGUAGE=fr:Marché\nSUMMARY;LANGUAGE=en-GB:Market\n"
        "DTSTART;TZID=America/New_York:20260705T080000\nDURATION:PT90M\nGEO:45.9;6.13\n"
        "LOCATION:Le Pâquier\nCATEGORIES:food,craft\nURL:https://a.example/x\nSTATUS:CANCELLED"
    )
    (record,) = report.records
    assert record.name == {"fr": "Marché", "en-GB": "Market"}
    assert starts(record) == [at(2026, 7, 5, 8, zone=zoneinfo.ZoneInfo("America/New_York"))]
    assert record.end is not None
    assert record.start is not None
    assert record.end - record.start == dt.timedelta(minutes=90)
    assert (record.lon, record.lat, record.status) == (6.13, 45.9, "cancelled")
    assert record.categories == ("food", "craft")
    assert report.changes == ()


def test_a_floating_time_is_the_destinations_and_whole_days_end_at_midnight() -> None:
    report = read(
        "UID:a\nSUMMARY:A\nDTSTART:20260705T080000",
        "UID:b\nSUMMARY:B\nDTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330",
        "UID:c\nSUMMARY:C\nDTSTART;VALUE=DATE:20260705",
    )
    assert starts(report.records[0]) == [at(2026, 7, 5, 8)]
    over_change, day = report.records[1:]
    assert over_change.end == dt.datetime(2026, 3, 30, tzinfo=PARIS)
    assert day.end == dt.datetime(2026, 7, 6, tzinfo=PARIS)


def test_exclusions_additions_and_moved_occurrences_count() -> None:
    report = read(
        "UID:a\nSUMMARY:A\nDTSTART;TZID=Europe/Paris:20260706T080000\nDTEND;TZID=Europe/Paris:"
        "20260706T090000\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE;TZID=Europe/Paris:20260707T080000\n"
        "RDATE;TZID=Europe/Paris:20260720T080000,20260721T100000",
        "UID:a\nSUMMARY:later\nRECURRENCE-ID;TZID=Europe/Paris:20260708T080000\n"
        "DTSTART;TZID=Europe/Paris:20260708T110000",
        "UID:a\nSUMMARY:off\nSTATUS:CANCELLED\nRECURRENCE-ID;TZID=Europe/Paris:20260709T080000\n"
        "DTSTART;TZID=Europe/Paris:20260709T080000",
    )
    found = expand(report.records, 0, FAR_MS, SKY)
    assert [(o.start_ms, o.status) for o in found] == [
        (at(2026, 7, 6, 8), "scheduled"),
        (at(2026, 7, 8, 11), "scheduled"),
        (at(2026, 7, 9, 8), "cancelled"),
        (at(2026, 7, 10, 8), "scheduled"),
        (at(2026, 7, 20, 8), "scheduled"),
    ]
    assert [record.id for record in report.records] == ["a", "a-20260708"]
    assert ("a", "RDATE") in [(change.id, change.field) for change in report.changes]


def test_what_cannot_be_read_costs_its_field_or_its_event_only() -> None:
    report = read(
        "UID:a\nSUMMARY:A\nDTSTART:20260705T080000Z\nGEO:here\nSTATUS:TENTATIVE\nURL:call us",
        "UID:b\nSUMMARY:B\nDTSTART:someday",
        "SUMMARY:C\nDTSTART:20260705T080000Z",
        "UID:d\nDTSTART:20260705T080000Z",
        "UID:e\nSUMMARY:E\nDTSTART:20260705T080000Z\nRRULE:FREQ=HOURLY",
        "UID:f\nSUMMARY:F\nDTSTART:20260705T080000Z\nDTEND:20260704T080000Z",
    )
    assert [record.id for record in report.records] == ["a", "e", "f"]
    assert [(p.index, p.field) for p in report.problems] == [
        (1, "DTSTART"),
        (2, "UID"),
        (3, "name"),
    ]
    assert {(c.id, c.field) for c in report.changes} == {
        ("a", "GEO"), ("a", "status"), ("a", "website"), ("e", "RRULE"),
        ("f", "DTEND"),
    }  # fmt: skip
    assert report.records[1].extra["rrule"] == "FREQ=HOURLY"


@pytest.mark.parametrize("data", [b"", b"text", b"BEGIN:VCALENDAR\nnonsense\n", b"\xff\xfe"])
def test_what_is_no_calendar_is_refused(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        ical.read_events(data, language="fr", time_zone="Europe/Paris")


RULES = st.builds(
    lambda every, interval, by, end: f"FREQ={every};INTERVAL={interval}{by}{end}",
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]),
    st.integers(1, 3),
    st.sampled_from(["", ";BYDAY=MO,SA", ";BYMONTH=7,8"]),
    st.sampled_from([";COUNT=7", ";UNTIL=20261101T000000Z", ""]),
)
DAYS = st.dates(dt.date(2026, 6, 1), dt.date(2026, 8, 31))


@settings(deadline=None)
@given(RULES, DAYS, st.times(), st.lists(DAYS, max_size=5))
def test_occurrences_are_those_dateutil_finds(
    rule: str, day: dt.date, time: dt.time, out: list[dt.date]
) -> None:
    time = time.replace(second=0, microsecond=0, fold=0)
    # Synchronised with its rule, as the standard wants it of DTSTART.
    first = next(iter(rrulestr(rule, dtstart=dt.datetime.combine(day, time, tzinfo=PARIS))), None)
    if first is None:
        return
    exdates = "".join(f"\nEXDATE;TZID=Europe/Paris:{each:%Y%m%d}T{time:%H%M%S}" for each in out)
    report = read(
        f"UID:a\nSUMMARY:A\nDTSTART;TZID=Europe/Paris:{first:%Y%m%dT%H%M%S}\nRRULE:{rule}{exdates}"
    )
    until = dt.datetime(2026, 12, 1, tzinfo=PARIS)
    wanted = [
        instant_ms(each)
        for each in rrulestr(rule, dtstart=first).between(
            first - dt.timedelta(days=1), until - dt.timedelta(seconds=1)
        )
        if each.date() not in out
    ]
    found = [o.start_ms for o in expand(report.records, 0, instant_ms(until), SKY)]
    assert found == wanted


RECURRENCES = st.builds(
    lambda rule, first, time, out, minutes: {
        "rrule": rule, "first_date": first,
        "start_rule": {"time": time.replace(second=0, microsecond=0, fold=0)},
        "except_dates": sorted(set(out)), "duration_min": minutes, "time_zone": "Europe/Paris",
    },
    RULES, DAYS, st.times(), st.lists(DAYS, max_size=3), st.integers(0, 600),
)  # fmt: skip
STARTS = st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(PARIS))  # noqa: DTZ001


@settings(deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60)
    .map(str.strip).filter(bool),
    st.one_of(
        RECURRENCES.map(lambda found: {"recurrence": found}),
        STARTS.map(lambda start: {"start": start.replace(microsecond=0, fold=0)}),
    ),
)  # fmt: skip
def test_an_event_comes_back_as_it_went(name: str, when: dict[str, Any]) -> None:
    fields = {"id": "a", "name": {"fr": name}, "lon": 6.13, "lat": 45.9, "status": "cancelled",
              "address": "Là; \"ici\", \\", "categories": ["a,b", "c"]}  # fmt: skip
    record = msgspec.convert(fields | when, EventRecord)
    data = ical.write_events([record], sky=SKY, languages=[], default_language="fr", now_ms=NOW_MS)
    report = ical.read_events(data, language="en", time_zone="Europe/Paris")
    (back,) = report.records
    assert starts(back) == starts(record)
    for field in ("id", "name", "lon", "lat", "address", "categories", "status", "end"):
        assert getattr(back, field) == getattr(record, field), field


def test_what_recurs_by_the_sun_is_written_day_by_day() -> None:
    rule = {"start_rule": {"sun": "sunset"}, "duration_min": 60, "rrule": "FREQ=DAILY",
            "first_date": "2026-01-01"}  # fmt: skip
    record = msgspec.convert({"id": "a", "name": {"fr": "A"}, "recurrence": rule}, EventRecord)
    data = ical.write_events(
        [record], sky=SKY, languages=[], default_language="fr", now_ms=NOW_MS, days=10
    )
    report = ical.read_events(data, language="fr", time_zone="Europe/Paris")
    wanted = expand([record], NOW_MS, NOW_MS + 10 * 86_400_000, SKY)
    assert starts(*report.records) == [occurrence.start_ms for occurrence in wanted]
