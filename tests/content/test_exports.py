"""What is written as GeoJSON or schema.org comes back as it went."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from content import annecy
from content.events import EventRecord
from content.fields import instant_ms
from content.formats import features_out, geojson, schemaorg, schemaorg_out
from content.occurrences import Sky, expand
from content.places import PlaceRecord

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
LAKE = annecy.load()
SKY = Sky.of(LAKE.destination)
NOW_MS = instant_ms(dt.datetime(2026, 6, 1, tzinfo=dt.UTC))

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20
).filter(lambda text: not set(text) & set("<:"))  # no HTML, no prefix of schema.org
TEXTS = st.dictionaries(st.sampled_from(["fr", "en", "zh-Hant"]), WORDS, min_size=1)
TAGS = st.lists(WORDS, max_size=3, unique=True)
PLACES = st.builds(
    lambda **fields: msgspec.convert(fields, PlaceRecord),
    id=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,30}\Z"),
    name=TEXTS, summary=TEXTS, description=TEXTS,
    lon=st.floats(-180, 180), lat=st.floats(-90, 90),
    categories=TAGS, themes=TAGS, tags=TAGS,
    opening_hours=st.sampled_from(["", "Mo-Fr 09:00-17:00; PH off", "sunrise-sunset"]),
    accessibility=st.sampled_from([{}, {"wheelchair": "yes"}, {"wheelchair": "limited"}]),
    address=WORDS, website=st.sampled_from([None, "https://a.example/x?y=1"]),
    image=st.sampled_from([None, {"url": "https://a.example/x.jpg", "alt": {"fr": "x"},
                                  "credit": "A", "licence": "CC BY 4.0",
                                  "rights_end": "2027-01-01"}]),
    extra=st.dictionaries(
        st.sampled_from(["opening_hours", "id", "name", "title", "name:de", "x"]), WORDS
    ),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PLACES, max_size=5, unique_by=lambda place: place.id))
def test_places_come_back_from_geojson_letter_by_letter(places: list[PlaceRecord]) -> None:
    report = geojson.read_places(features_out.write(places), language="fr")
    assert (list(report.records), report.problems, report.changes) == (places, (), ())


@settings(deadline=None)
@given(st.lists(PLACES, max_size=5, unique_by=lambda place: place.id))
def test_places_come_back_from_schema_org(places: list[PlaceRecord]) -> None:
    data = schemaorg_out.write(places, sky=SKY, now_ms=NOW_MS)
    report = schemaorg.read_places(data, language="de")
    assert report.problems == ()
    for back, place in zip(report.records, places, strict=True):
        bare = msgspec.structs.replace(back, extra={})
        assert bare == msgspec.structs.replace(place, extra={})


def test_the_demonstration_comes_back_from_geojson() -> None:
    for records, read in (
        (LAKE.places, geojson.read_places),
        (LAKE.events, geojson.read_events),
        (LAKE.circuits, geojson.read_circuits),
    ):
        report = read(features_out.write(records), language="fr")  # type: ignore[operator]
        assert (report.records, report.problems) == (records, ())


def test_the_demonstration_is_whole_in_schema_org() -> None:
    data = schemaorg_out.write(
        (*LAKE.places, *LAKE.events, *LAKE.circuits, *LAKE.offers), sky=SKY, now_ms=NOW_MS
    )
    graph = json.loads(data)["@graph"]
    assert len(graph) == sum(
        len(each) for each in (LAKE.places, LAKE.events, LAKE.circuits, LAKE.offers)
    )
    places = schemaorg.read_places(data, language="fr")
    assert [place.id for place in places.records] == [place.id for place in LAKE.places]
    circuits = schemaorg.read_circuits(data, language="fr")
    assert [c.stops and [s.place_id for s in c.stops] for c in circuits.records] == [
        c.stops and [s.place_id for s in c.stops] for c in LAKE.circuits
    ]
    offers = schemaorg.read_offers(data, language="fr", time_zone="Europe/Paris")
    assert [(o.id, o.valid_until) for o in offers.records] == [
        (o.id, o.valid_until) for o in LAKE.offers
    ]
    for event in LAKE.events:
        node = next(node for node in graph if node["identifier"] == event.id)
        assert node.keys() & {"startDate", "eventSchedule", "subEvent"}


RULES = st.builds(
    lambda every, interval, by, end: f"FREQ={every};INTERVAL={interval}{by}{end}",
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 3),
    st.sampled_from(["", ";BYDAY=MO,SA", ";BYMONTH=7,8", ";BYMONTHDAY=1,15"]),
    st.sampled_from([";COUNT=7", ";UNTIL=20261101", ""]),
).filter(lambda rule: "WEEKLY" not in rule or "BYMONTHDAY" not in rule)
CLOCKS = st.times().map(lambda time: time.replace(second=0, microsecond=0, fold=0))
DAYS = st.dates(dt.date(2026, 6, 1), dt.date(2026, 8, 31))


@settings(deadline=None)
@given(RULES, DAYS, CLOCKS, st.lists(DAYS, max_size=3, unique=True), st.integers(0, 600))
def test_schedules_come_back_with_the_same_occurrences(
    rule: str, first: dt.date, time: dt.time, out: list[dt.date], minutes: int
) -> None:
    recurrence = {"rrule": rule, "first_date": first, "except_dates": out, "duration_min": minutes,
                  "start_rule": {"time": time}}  # fmt: skip
    event = msgspec.convert({"id": "a", "name": {"fr": "A"}, "recurrence": recurrence}, EventRecord)
    data = schemaorg_out.write([event], sky=SKY, now_ms=NOW_MS)
    (back,) = schemaorg.read_events(data, language="fr", time_zone="UTC").records
    until = instant_ms(dt.datetime(2028, 1, 1, tzinfo=PARIS))
    assert [(o.start_ms, o.end_ms) for o in expand([back], 0, until, SKY)] == [
        (o.start_ms, o.end_ms) for o in expand([event], 0, until, SKY)
    ]


@pytest.mark.parametrize("rule", ["FREQ=MONTHLY;BYDAY=1SU", "FREQ=DAILY;UNTIL=20260701T100000Z"])
def test_what_schema_org_cannot_say_is_listed_day_by_day(rule: str) -> None:
    recurrence = {"rrule": rule, "first_date": dt.date(2026, 6, 1), "duration_min": 60,
                  "start_rule": {"time": dt.time(10)}}  # fmt: skip
    event = msgspec.convert({"id": "a", "name": {"fr": "A"}, "recurrence": recurrence}, EventRecord)
    (node,) = json.loads(schemaorg_out.write([event], sky=SKY, now_ms=NOW_MS))["@graph"]
    wanted = expand([event], NOW_MS, NOW_MS + schemaorg_out.AHEAD_MS, SKY)
    found = [instant_ms(dt.datetime.fromisoformat(each["startDate"])) for each in node["subEvent"]]
    assert found == [occurrence.start_ms for occurrence in wanted]
