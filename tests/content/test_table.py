"""CSV by a map of columns: what is read, what is kept raw, what is a problem of its row alone."""

from __future__ import annotations

import csv
import datetime as dt
import zoneinfo
from pathlib import Path

import pytest

from content.errors import FormatInvalid
from content.fields import instant_ms
from content.formats.table import ColumnMap, read_circuits, read_events, read_places
from content.occurrences import Sky, expand

MADRID = zoneinfo.ZoneInfo("Europe/Madrid")
PICS = ColumnMap(
    id="register_id",
    id_prefix="bcn-",
    fields={
        "name.ca": "name",
        "lon": "geo_epgs_4326_lon",
        "lat": "geo_epgs_4326_lat",
        "address": ("addresses_road_name", "addresses_start_street_number"),
        "website": "values_value",
    },
)
POCKET = ColumnMap(
    id="placeId",
    id_prefix="pocket-",
    fields={
        "name.ca": "labelCat",
        "name.es": "labelEsp",
        "name.en": "labelEng",
        "summary.en": "description",
        "lon": "lng",
        "lat": "lat",
        "tags": "tags",
        "must_see": "popular",
        "website": "website",
    },
)
AGENDA = ColumnMap(
    id="id",
    id_prefix="pocket-",
    fields={
        "name.en": "event_name",
        "first_date": "date_start",
        "last_date": "date_end",
        "rrule": "recurrence_rule",
        "categories": "event_type",
        "lon": "lng",
        "lat": "lat",
        "address": "location",
        "website": "url",
    },
    only={"event_active": ("true",)},
)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_delimiter_and_encoding_are_found_out(delimiter: str, encoding: str) -> None:
    rows = ["id", "nom", "name_en", "lat", "Longitude"], ["a", "Château", "Castle", "45,5", "6.1"]
    quoted = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    (record,) = read_places(quoted.encode(encoding), language="fr").records
    assert record.name == {"fr": "Château", "en": "Castle"}
    assert (record.id, record.lon, record.lat) == ("a", 6.1, 45.5)


def test_a_row_that_cannot_be_a_place_leaves_the_others_alone() -> None:
    data = (
        b"id,name,lat,lon\n1,A,45,6\n2,B,north,6\n3,C,45,\n\n4,D,95,6\n5,,45,6\n6,E,0,0\n"
        b"7,F,45,6,x\n"
    )
    report = read_places(data, language="fr")
    assert [record.id for record in report.records] == ["1", "5", "7"]
    assert [(p.id, p.field) for p in report.problems] == [
        ("2", "lat"), ("3", "lon"), ("4", "lat"), ("6", "lon"),
    ]  # fmt: skip
    assert report.records[1].name == {"fr": "5"}
    assert [(change.id, change.field) for change in report.changes] == [("5", "name"), ("7", "")]


def test_ids_stay_the_same_and_apart_where_the_file_repeats_them() -> None:
    data = b"code,name,lat,lon\n1,A,45,6\n1,B,45,6\n1,B,45,6\n2,C,45,6\n"
    report = read_places(data, language="fr")
    assert [record.id for record in report.records] == ["1-a", "1-b", "1-b-2", "2"]
    assert len(report.changes) == 3
    unnamed = b"name,lat,lon\nTour,45,6\nTour,45,6\n"
    assert [r.id for r in read_places(unnamed, language="fr").records] == ["tour", "tour-2"]


def test_a_map_names_its_own_mistakes() -> None:
    data = b"id,name,lat,lon\n1,A,45,6\n"
    for columns, said in (
        (ColumnMap(fields={"name": "nome"}), "nome"),
        (ColumnMap(fields={"nome": "name"}), "nome"),
        (ColumnMap(id="ident", fields={"name": "name"}), "ident"),
        (ColumnMap(fields={"first_date": "name"}), "first_date"),
    ):
        with pytest.raises(FormatInvalid, match=said):
            read_places(data, language="fr", columns=columns)


@pytest.mark.parametrize(
    "data", [b"", b"one column\n1\n", b"a,a\n1,2\n", b'a,b\n"' + b"x" * 140_000]
)
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        read_places(data, language="fr")


def test_events_have_days_or_instants_and_rules() -> None:
    data = (
        b"id,name,date,end_date,start_time,rrule\n"
        b"a,A,2026-03-01,,19h30,\n"
        b"b,B,2026-03-01,2026-03-02,,FREQ=YEARLY\n"
        b"c,C,2026-03-01,2026-03-02,10:00,FREQ=YEARLY\n"
        b"d,D,sometime,,,\n"
        b"e,E,2026-03-01,,,FREQ=SOMETIMES\n"
    )
    report = read_events(data, language="fr", time_zone="Europe/Madrid")
    by_id = {record.id: record for record in report.records}
    assert by_id["a"].start == dt.datetime(2026, 3, 1, 19, 30, tzinfo=MADRID)
    assert by_id["b"].recurrence is not None
    assert by_id["b"].recurrence.duration_min == 2 * 1440
    assert by_id["c"].extra["rrule"] == "FREQ=YEARLY"
    assert [(problem.id, problem.field) for problem in report.problems] == [
        ("d", "start"), ("e", "recurrence.rrule"),
    ]  # fmt: skip


def test_circuits_have_numbers() -> None:
    data = b"id,name,distance_m,duration_min\na,A,1500,45\nb,B,long,45\n"
    report = read_circuits(data, language="fr")
    assert [(c.distance_m, c.duration_min) for c in report.records] == [(1500, 45), (None, 45)]
    assert report.records[1].extra == {"distance_m": "long"}


@pytest.mark.real_data
def test_the_880_places_of_the_city_keep_their_html_timetables_raw(data_dir: Path) -> None:
    file = data_dir / "barcelona/poi_opendatabcn_pics.csv"
    report = read_places(file.read_bytes(), language="ca", columns=PICS)
    assert (report.read, len(report.records), report.problems) == (879, 879, ())
    with file.open(encoding="utf-8", newline="") as opened:
        rows = {f"bcn-{row['register_id']}": row for row in csv.DictReader(opened)}
    flagged = {change.id for change in report.changes if change.field == "timetable"}
    assert len(flagged) == 264
    for record in report.records:
        assert record.extra.get("timetable", "") == rows[record.id]["timetable"]
        assert ("timetable" in record.extra) == (record.id in flagged)
        assert record.opening_hours == ""
    # Half of what stands in the column of web sites is mail, telephones and architects.
    raw = [record for record in report.records if "website" in record.extra]
    assert len(raw) == sum(change.field == "website" for change in report.changes) > 400


@pytest.mark.real_data
def test_the_trilingual_places_have_three_languages(data_dir: Path) -> None:
    data = (data_dir / "barcelona/poi_trilingual_pocketbcn.csv").read_bytes()
    report = read_places(data, language="en", columns=POCKET)
    assert (report.read, len(report.records) + len(report.problems)) == (300, 300)
    assert {problem.field for problem in report.problems} == {"lon"}  # 0, 0: nowhere
    park = next(record for record in report.records if record.id == "pocket-5")
    assert park.name == {
        "ca": "Parc de la Ciutadella", "es": "Parc de la Ciudadella", "en": "City Park",
    }  # fmt: skip
    assert park.must_see
    assert park.tags == ("parc",)


@pytest.mark.real_data
def test_the_agenda_recurs_by_its_rules(data_dir: Path) -> None:
    data = (data_dir / "barcelona/events_pocketbcn.csv").read_bytes()
    report = read_events(data, language="en", time_zone="Europe/Madrid", columns=AGENDA)
    assert (report.read, report.others, report.problems) == (195, 4, ())
    assert sum(record.recurrence is not None for record in report.records) >= 13
    sky = Sky(MADRID, 2.17, 41.39)
    in_2030 = (instant_ms(dt.datetime(y, 1, 1, tzinfo=MADRID)) for y in (2030, 2031))
    assert len(expand(report.records, *in_2030, sky)) >= 10


@pytest.mark.real_data
def test_a_plain_table_needs_no_map(data_dir: Path) -> None:
    data = (data_dir / "barcelona/poi_drinking_fountains.csv").read_bytes()
    report = read_places(data, language="ca")
    assert (report.read, len(report.records), report.problems) == (1988, 1988, ())
    assert len({record.id for record in report.records}) == 1988
