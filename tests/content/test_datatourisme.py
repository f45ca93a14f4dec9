"""DATAtourisme as its producers write it: scalar or list, with or without hours and days."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import re
import zipfile
import zoneinfo
from pathlib import Path
from typing import Any

import msgspec
import opening_hours as oh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from content.errors import FormatInvalid
from content.events import EventRecord
from content.fields import instant_ms
from content.formats import hours
from content.formats.datatourisme import read_circuits, read_events, read_places
from content.formats.periods import Period, times
from content.occurrences import Sky, expand

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
SKY = Sky(PARIS, 0.7, 47.4)


def flux(folder: Path) -> bytes:
    """A flux as it is delivered: a zip of its folder."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file in sorted(folder.rglob("*.json")):
            archive.write(file, file.relative_to(folder))
    return out.getvalue()


def thing(**members: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "@id": "https://data.datatourisme.gouv.fr/15/aa-bb",
        "@type": ["PlaceOfInterest", "Castle"],
        "rdfs:label": {"fr": ["Le château"], "en": ["The castle"]},
        "isLocatedAt": [
            {"schema:geo": {"schema:latitude": "47.5", "schema:longitude": "0.7"}},
        ],
    }
    return base | members


def places(*things: Any) -> Any:
    return read_places(json.dumps(list(things)).encode(), language="fr")


def events(*things: Any) -> Any:
    data = json.dumps(list(things)).encode()
    return read_events(data, language="fr", time_zone="Europe/Paris")


def event(*periods: dict[str, str], **members: Any) -> dict[str, Any]:
    return thing(**{"@type": ["EntertainmentAndEvent"], "takesPlaceAt": list(periods)} | members)


def unlisted(value: Any) -> Any:
    """Every list of one as its only value."""
    if isinstance(value, dict):
        return {key: inner if key.startswith("@") else unlisted(inner)
                for key, inner in value.items()}  # fmt: skip
    if isinstance(value, list):
        return unlisted(value[0]) if len(value) == 1 else [unlisted(inner) for inner in value]
    return value


def test_scalars_and_lists_of_one_mean_the_same() -> None:
    (plain,) = places(unlisted(thing())).records
    (wrapped,) = places({k: v if k.startswith("@") else [v] for k, v in thing().items()}).records
    assert plain == wrapped
    assert plain.id == "15-aa-bb"
    assert plain.name == {"fr": "Le château", "en": "The castle"}
    assert (plain.lon, plain.lat) == (0.7, 47.5)
    assert plain.categories == ("Castle",)


def test_a_picture_is_shown_with_its_credit_until_its_rights_end_or_not_at_all() -> None:
    annotation = {"credits": ["© A. Nom"], "rightsEndDate": "2027-12-31",
                  "ebucore:title": {"fr": ["Le donjon"]}}  # fmt: skip
    picture = {
        "ebucore:hasRelatedResource": [{"ebucore:locator": ["https://a.example/x.jpg"]}],
        "ebucore:hasAnnotation": [annotation],
    }
    (record,) = places(thing(hasMainRepresentation=[picture])).records
    assert record.image.credit == "© A. Nom"
    assert record.image.rights_end == dt.date(2027, 12, 31)
    assert record.image.alt == {"fr": "Le donjon"}

    del annotation["credits"]
    report = places(thing(hasMainRepresentation=[picture]))
    (record,) = report.records
    assert record.image is None
    assert record.extra["image"]["url"] == "https://a.example/x.jpg"
    assert [change.field for change in report.changes] == ["image"]


def test_opening_hours_become_osm_and_those_without_days_are_kept_raw() -> None:
    def at(day: str | None, opens: str, closes: str | None) -> dict[str, Any]:
        found: dict[str, Any] = {"schema:opens": opens, "schema:validFrom": "2026-04-01T00:00:00",
                                 "schema:validThrough": "2026-10-31T00:00:00"}  # fmt: skip
        found |= {"schema:dayOfWeek": [{"@id": f"schema:{day}"}]} if day else {}
        return found | ({"schema:closes": closes} if closes else {})

    spans = [at("Monday", "09:00:00", "12:00:00"), at("Tuesday", "09:00:00", "12:00:00"),
             at("Monday", "14:00:00", "18:00:00"), at("Sunday", "10:00:00", None)]  # fmt: skip
    where = thing()["isLocatedAt"][0]
    (record,) = places(
        thing(isLocatedAt=[where | {"schema:openingHoursSpecification": spans}])
    ).records
    assert record.opening_hours == (
        "2026 Apr 01-2026 Oct 31 Mo 09:00-12:00,14:00-18:00; "
        "2026 Apr 01-2026 Oct 31 Tu 09:00-12:00; 2026 Apr 01-2026 Oct 31 Su 10:00+"
    )
    assert not record.opening_hours_invalid

    lost = [at(None, "09:00:00", "12:00:00")] * 2
    report = places(thing(isLocatedAt=[where | {"schema:openingHoursSpecification": lost}]))
    (record,) = report.records
    assert record.opening_hours == ""
    assert record.extra["opening_hours"] == lost
    assert [change.field for change in report.changes] == ["opening_hours"]


def test_what_is_missing_is_a_problem_of_its_record_alone() -> None:
    nowhere = thing(**{"@id": "https://x/15/nowhere", "isLocatedAt": []})
    nameless = thing(**{"@id": "https://x/15/nameless", "rdfs:label": {}})
    report = places(nowhere, nameless, {"@type": ["Castle"]}, "text", thing(), thing())
    assert [record.id for record in report.records] == ["15-aa-bb"]
    assert [(p.index, p.field) for p in report.problems] == [
        (0, "lon"), (1, "name"), (2, "@id"), (3, ""), (5, "id"),
    ]  # fmt: skip
    assert (report.read, report.others) == (6, 0)
    assert report.indices() == (4,)


def test_an_object_that_is_no_json_leaves_the_flux_alone() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.json", "[]")
        archive.writestr("objects/0/00/bad.json", "{")
        archive.writestr("objects/0/00/good.json", json.dumps(thing()))
    report = read_places(out.getvalue(), language="fr")
    assert [record.id for record in report.records] == ["15-aa-bb"]
    assert "bad.json" in report.problems[0].reason


@pytest.mark.parametrize("data", [b"", b"{", b"PK\x03\x04 not a zip", gzip.compress(b"[]")[:-9]])
def test_a_file_that_is_damaged_as_a_whole_is_refused(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        read_places(data, language="fr")


def test_one_day_with_times_is_one_start_and_a_season_with_times_is_daily() -> None:
    once = {"startDate": "2026-07-14", "endDate": "2026-07-14", "startTime": "14:00:00",
            "endTime": "17:30:00"}  # fmt: skip
    (record,) = events(event(once)).records
    assert record.start == dt.datetime(2026, 7, 14, 14, tzinfo=PARIS)
    assert record.end == dt.datetime(2026, 7, 14, 17, 30, tzinfo=PARIS)
    (record,) = events(event(once | {"endDate": "2026-07-16"})).records
    found = expand([record], 0, instant_ms(dt.datetime(2030, 1, 1, tzinfo=PARIS)), SKY)
    assert [occurrence.date.day for occurrence in found] == [14, 15, 16]
    assert {occurrence.end_ms - occurrence.start_ms for occurrence in found} == {210 * 60_000}


def test_an_event_without_any_day_is_a_problem() -> None:
    backwards = {"startDate": "2026-07-14", "endDate": "2026-07-01"}
    report = events(event(), event(backwards), event({"endDate": "2026-07-01"}))
    assert report.records == ()
    assert [problem.field for problem in report.problems] == ["takesPlaceAt"] * 3


DAYS = st.dates(dt.date(2026, 1, 1), dt.date(2026, 12, 31))
CLOCKS = st.none() | st.times().map(lambda time: time.replace(second=0, microsecond=0, fold=0))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    first = draw(DAYS)
    starts = draw(CLOCKS)
    return Period(
        first=first,
        last=first + dt.timedelta(days=draw(st.integers(0, 5))),
        starts=starts,
        ends=draw(CLOCKS) if starts is not None else None,
    )


@settings(deadline=None)
@given(st.lists(periods(), min_size=1, max_size=6))
def test_the_events_of_periods_start_when_the_periods_do(given_periods: list[Period]) -> None:
    wanted = set()
    for period in given_periods:
        span = (period.last - period.first).days if period.starts else 0
        for n in range(span + 1):
            day = period.first + dt.timedelta(days=n)
            at = dt.datetime.combine(day, period.starts or dt.time(), tzinfo=PARIS)
            wanted.add(instant_ms(at))
    made = times(given_periods, PARIS)
    assert len({each.suffix for each in made}) == len(made)
    records = [
        msgspec.convert({"id": f"e{each.suffix}", "name": {"fr": "e"}, **each.fields}, EventRecord)
        for each in made
    ]
    until = instant_ms(dt.datetime(2028, 1, 1, tzinfo=PARIS))
    assert {occurrence.start_ms for occurrence in expand(records, 0, until, SKY)} == wanted


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({
    "opens": st.times().map(lambda time: f"{time:%H:%M:00}"),
    "closes": st.times().map(lambda time: f"{time:%H:%M:00}"),
    "dayOfWeek": st.lists(st.sampled_from(
        ["Monday", "https://schema.org/Sunday", "schema:PublicHolidays"]), min_size=1),
    "validFrom": st.none() | DAYS.map(str),
    "validThrough": st.none() | DAYS.map(str),
}), max_size=6))  # fmt: skip
def test_hours_made_of_specifications_parse(specifications: list[dict[str, object]]) -> None:
    rules = hours.opening_hours(specifications)
    assert bool(rules) == bool(specifications)
    assert not rules or oh.validate(rules), rules


@pytest.mark.real_data
def test_the_real_flux_is_read_whole(data_dir: Path) -> None:
    data = flux(data_dir / "val_de_loire/datatourisme_flux_sample")
    found = read_places(data, language="fr")
    agenda = read_events(data, language="fr", time_zone="Europe/Paris")
    tours = read_circuits(data, language="fr")
    assert [(r.read, r.others, r.problems) for r in (found, agenda, tours)] == [
        (64, 39, ()), (24, 79, ()), (15, 88, ()),
    ]  # fmt: skip
    pictured = [r for r in (*found.records, *tours.records) if r.image is not None]
    assert all(record.image and record.image.credit for record in pictured)
    assert sum(r.image is not None and r.image.rights_end is not None for r in pictured) > 30
    assert any(record.opening_hours and not record.opening_hours_invalid
               for record in found.records)  # fmt: skip
    assert {circuit.mode for circuit in tours.records} >= {"walk", "cycle"}
    files = {file.stem for file in (data_dir / "val_de_loire").rglob("objects/*/*/*.json")}
    assert {record.id for record in found.records} <= files


@pytest.mark.real_data
def test_the_flattened_flux_is_read_whole_and_says_what_it_could_not_use(data_dir: Path) -> None:
    data = (data_dir / "val_de_loire/datatourisme_2550_slim.ndjson.gz").read_bytes()
    found = read_places(data, language="fr")
    agenda = read_events(data, language="fr", time_zone="Europe/Paris")
    tours = read_circuits(data, language="fr")
    assert [(r.read, r.problems) for r in (found, agenda, tours)] == [
        (2015, ()), (472, ()), (63, ()),
    ]  # fmt: skip
    lines = [json.loads(line) for line in gzip.decompress(data).splitlines()]
    raw = {line["id"]: line for line in lines}
    without_days = [record for record in found.records if "opening_hours" in record.extra]
    assert len(without_days) == sum(c.field == "opening_hours" for c in found.changes) > 500
    for record in agenda.records:
        source = raw[record.extra["source"]["id"]]  # type: ignore[index]
        assert record.name == {
            tag: text.strip() for tag, text in source["label"].items() if text.strip()
        }
    expanded = expand(agenda.records, 0, 4_000_000_000_000, SKY)
    days = {(raw_id(o.event_id), o.date.isoformat()) for o in expanded}
    for line in lines:
        for period in line.get("periods", ()):
            assert (raw_id(line["id"]), period["startDate"]) in days


def raw_id(text: str) -> str:
    """The common part of our ids of an event at several times, and of the source's."""
    return re.sub(r"^\d{1,3}-", "", text.rsplit("/", 1)[-1])[:20]
