"""Any file: its format found out, and nothing in it fatal."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from content.errors import FormatInvalid
from content.formats import sources
from content.formats.report import Report
from content.formats.sources import Setting
from content.formats.table import ColumnMap

SETTING = Setting(language="fr", time_zone="Europe/Paris", near=(6.13, 45.9))
KINDS: tuple[sources.Kind, ...] = get_args(sources.Kind)
SAMPLES: dict[sources.Format, bytes] = {
    "json": b'[{"id": "a"}]',
    "geojson": b'{"type": "FeatureCollection", "features": []}',
    "datatourisme": b'{"id": "x", "types": [], "label": {}}\n{"id": "y", "types": [], "label": {}}',
    "schemaorg": b'{"@context": "https://schema.org", "@graph": []}',
    "csv": b"id;name;lat;lon\n1;A;45;6\n",
    "gpx": b'<?xml version="1.0"?>\n<!-- x --><gpx version="1.1"></gpx>',
    "ical": b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n",
    "osm": b'<osm version="0.6"></osm>',
}


@pytest.mark.parametrize("form", sources.FORMATS)
@pytest.mark.parametrize("wrap", [bytes, gzip.compress, lambda data: b"\xef\xbb\xbf" + data])
def test_the_format_is_found_out(form: sources.Format, wrap: Any) -> None:
    assert sources.detect(wrap(SAMPLES[form])) == form


@pytest.mark.parametrize("data", [b"<html></html>", b"PK\x05\x06" + bytes(18), b"PK\x03\x04"])
def test_a_file_of_another_kind_is_refused(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        sources.read(data, "place", SETTING)


def test_a_format_without_such_records_says_what_it_has() -> None:
    with pytest.raises(FormatInvalid, match="gpx, which is read as circuits, places only"):
        sources.read(SAMPLES["gpx"], "event", SETTING)


def test_columns_are_of_csv_only() -> None:
    with pytest.raises(FormatInvalid, match="only csv has columns"):
        sources.read(
            SAMPLES["gpx"], "place",
            Setting(language="fr", columns=ColumnMap(fields={"name": "a"})),
        )  # fmt: skip


def checked(data: bytes, kind: sources.Kind, form: sources.Format) -> None:
    try:
        report: Report[Any] = sources.read(data, kind, SETTING, form)
    except FormatInvalid:
        return
    rows = report.indices()
    assert len(rows) == len(report.records)
    assert len({record.id for record in report.records}) == len(report.records)
    bad = {problem.index for problem in report.problems}
    assert len({*rows, *bad}) == report.read


KEYS = st.sampled_from([
    "@id", "@type", "@graph", "id", "name", "types", "label", "rdfs:label", "isLocatedAt", "geo",
    "schema:geo", "latitude", "longitude", "schema:latitude", "schema:longitude", "image", "offers",
    "hasMainRepresentation", "takesPlaceAt", "startDate", "endDate", "startTime", "endTime",
    "eventSchedule", "itinerary", "itemListElement", "lon", "lat", "openingHoursSpecification",
    "location", "periods", "opening", "hasDescription", "identifier", "url", "address", "item",
    "features", "geometry", "properties", "type", "coordinates", "repeatFrequency", "position",
])  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-200, 3000), st.floats(), st.text(max_size=8),
    st.sampled_from(["Event", "TouristTrip", "Offer", "TouristAttraction", "PlaceOfInterest",
                     "Tour", "EntertainmentAndEvent", "2026-07-14", "14:30", "P1W", "x", "https://a/b/c",
                     "FeatureCollection", "Feature", "Point", "LineString", "fr", "47.5"]),
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=30,
)


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(KEYS, TREES, max_size=12), max_size=4),
    st.sampled_from(KINDS),
    st.sampled_from(["datatourisme", "schemaorg", "geojson", "json"]),
)
def test_no_json_is_fatal(
    documents: list[dict[str, Any]], kind: sources.Kind, form: sources.Format
) -> None:
    whole: Any = documents
    if form == "geojson":
        whole = {"type": "FeatureCollection", "features": documents}
    checked(json.dumps(whole).encode(), kind, form)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(KINDS), st.sampled_from(sources.FORMATS))
def test_no_bytes_are_fatal(data: bytes, kind: sources.Kind, form: sources.Format) -> None:
    checked(data, kind, form)
    checked(SAMPLES[form] + data, kind, form)


PROPERTIES = st.sampled_from([
    "UID", "SUMMARY", "DTSTART", "DTSTART;TZID=Europe/Paris", "DTSTART;TZID=Nowhere",
    "DTSTART;VALUE=DATE", "DTEND", "DTEND;VALUE=DATE", "DURATION", "RRULE", "EXDATE", "RDATE",
    "RDATE;VALUE=PERIOD", "RECURRENCE-ID", "GEO", "STATUS", "CATEGORIES", "URL",
])  # fmt: skip
VALUES = st.sampled_from([
    "a", "20260714T080000", "20260714T080000Z", "20260714", "99999999T999999", "FREQ=DAILY;COUNT=3",
    "FREQ=DAILY;UNTIL=x", "FREQ=SECONDLY", "PT1H", "-P1D", "45.9;6.1", "1e999;nan", "",
    "20260714T080000,20260715T090000", "19970101T180000Z/19970102T070000Z", "CANCELLED",
])  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(PROPERTIES, VALUES), max_size=9), max_size=4))
def test_no_calendar_is_fatal(events: list[list[tuple[str, str]]]) -> None:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for event in events:
        lines += ["BEGIN:VEVENT", *(f"{name}:{value}" for name, value in event), "END:VEVENT"]
    checked("\r\n".join([*lines, "END:VCALENDAR", ""]).encode(), "event", "ical")


CELLS = st.sampled_from(["", "a", "é", "45.9", "nan", "1e400", "2026-07-14", "9999-12-31", "14h",
                         "FREQ=DAILY", "<b>x</b>", '"', "true", "0", "x" * 400])  # fmt: skip
COLUMNS = ["id", "name", "name_en", "lat", "lon", "url", "tags", "must_see", "date", "end_date",
           "start_time", "end_time", "rrule", "description", "distance_m"]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.lists(CELLS, max_size=16), max_size=5), st.sampled_from(KINDS))
def test_no_table_is_fatal(rows: list[list[str]], kind: sources.Kind) -> None:
    text = "\n".join(",".join(row) for row in [COLUMNS, *rows])
    checked(text.encode(), kind, "csv")


@pytest.mark.real_data
def test_real_files_are_known_by_what_they_hold(data_dir: Path) -> None:
    for path, form in {
        "val_de_loire/datatourisme_2550_slim.ndjson.gz": "datatourisme",
        "barcelona/poi_opendatabcn_pics.csv": "csv",
        "barcelona/events_pocketbcn.csv": "csv",
        "barcelona/osm_extract_eixample.osm": "osm",
        "barcelona/route_ronda_verda.geojson": "geojson",
        "gpx/korita-zbevnica.gpx": "gpx",
    }.items():
        assert sources.detect((data_dir / path).read_bytes()) == form, path
    with pytest.raises(FormatInvalid, match="no flux"):
        sources.detect((data_dir / "barcelona/gtfs_fgc.zip").read_bytes())


@pytest.mark.real_data
def test_the_lines_of_a_green_way_are_circuits(data_dir: Path) -> None:
    data = (data_dir / "barcelona/route_ronda_verda.geojson").read_bytes()
    report = sources.read(data, "circuit", Setting(language="ca", near=(2.17, 41.39)))
    assert (report.read, len(report.records), report.problems) == (9, 9, ())
    for record, source in zip(report.records, json.loads(data)["features"], strict=True):
        line = [list(position) for position in record.geometry.coordinates]
        assert line == source["geometry"]["coordinates"]
