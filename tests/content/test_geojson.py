"""GeoJSON from elsewhere: what is read, what is reported, and that one bad feature is alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from content import limits
from content.errors import FormatInvalid
from content.formats import ids
from content.formats.geojson import read_places, read_zones
from content.formats.report import Report
from content.zones import ZoneRecord
from geofence.shapes import Area, Circle, Corridor

SQUARE = [[6.12, 45.89], [6.13, 45.89], [6.13, 45.9], [6.12, 45.9], [6.12, 45.89]]
BOW = [[6.12, 45.89], [6.13, 45.9], [6.13, 45.89], [6.12, 45.9], [6.12, 45.89]]
GOOD = {"type": "Polygon", "coordinates": [SQUARE]}


def feature(geometry: Any = GOOD, /, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def zones(*features: Any, **options: Any) -> Report[ZoneRecord]:
    document = {"type": "FeatureCollection", "features": list(features)}
    return read_zones(json.dumps(document).encode(), **({"language": "fr"} | options))


def only(report: Report[ZoneRecord]) -> ZoneRecord:
    assert report.problems == ()
    (record,) = report.records
    return record


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


@pytest.mark.parametrize(
    ("geometry", "properties", "kind"),
    [
        (GOOD, {}, Area),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE]]}, {}, Area),
        ({"type": "Point", "coordinates": [2.186029, 41.388141, 12.0]}, {"radius_m": 75}, Circle),
        ({"type": "LineString", "coordinates": SQUARE[:3]}, {"half_width_m": 20.5}, Corridor),
    ],
)
def test_each_geometry_is_a_zone_of_its_shape(
    geometry: Any, properties: dict[str, Any], kind: type[Any]
) -> None:
    record = only(zones(feature(geometry, id="z", name="Z", **properties)))
    assert isinstance(record.to_zone().shape, kind)


def test_tracking_properties_are_read() -> None:
    settings = {
        "exit_margin_m": 25, "confirm_s": 30, "dwell_s": [60, 300], "capacity": 40,
        "accuracy_ceiling_m": 50, "exit_confirm_s": 10, "report_cross": True, "tags": ["lac"],
    }  # fmt: skip
    record = only(zones(feature(id="z", name="Z", **settings)))
    assert {name: getattr(record, name) for name in settings} == settings | {
        "dwell_s": (60.0, 300.0),
        "tags": ("lac",),
    }


def test_numbers_written_as_texts_and_lists_written_as_text_are_read() -> None:
    record = only(zones(feature(id="z", confirm_s="30", dwell_s="300", tags="lac; plage,été")))
    assert (record.confirm_s, record.dwell_s) == (30.0, 300.0)
    assert record.tags == ("lac", "plage", "été")


def test_one_dwell_or_several() -> None:
    assert only(zones(feature(id="z", dwell_s=300))).to_zone().dwells_ms == (300_000,)
    assert only(zones(feature(id="z", dwell_s=[2, 1]))).to_zone().dwells_ms == (1_000, 2_000)


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        ({"name": "Lac"}, {"fr": "Lac"}),
        ({"nom": " Lac "}, {"fr": "Lac"}),
        ({"name": {"fr": "Lac", "en": "Lake"}}, {"fr": "Lac", "en": "Lake"}),
        ({"name": "Lac", "name:en": "Lake"}, {"fr": "Lac", "en": "Lake"}),
        ({"name_fr": "Lac", "name_pt-br": "Lago"}, {"fr": "Lac", "pt-BR": "Lago"}),
        ({"name": "Lac", "name:fr": "Le lac"}, {"fr": "Lac"}),
        ({"name": "Lac", "name_alt": "Étang"}, {"fr": "Lac"}),
    ],
)
def test_a_name_is_found_in_its_usual_places(
    properties: dict[str, Any], name: dict[str, str]
) -> None:
    assert only(zones(feature(**properties))).name == name


def test_foreign_properties_are_kept_and_empty_columns_are_not() -> None:
    record = only(zones(feature(id=7, code="07", osm=1, note={"a": [1]}, radius=None, empty="")))
    assert record.id == "7"
    assert record.extra == {"code": "07", "osm": 1, "note": {"a": [1]}}


def test_a_feature_of_a_file_and_a_bare_geometry_are_read_alone() -> None:
    single = read_zones(json.dumps(feature(id="z")).encode(), language="fr")
    bare = read_zones(json.dumps(GOOD).encode(), language="fr")
    assert only(single).id == "z"
    assert only(bare).id == "feature-1"
    assert [change.field for change in bare.changes] == ["id", "name"]


# --- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        ({"id": "a", "code": "b"}, "a"),
        ({"id": 165}, "165"),
        ({"id": 3.0}, "3"),
        ({"code": "03", "name": "Montjuïc"}, "03"),
        ({"name": "Le Pâquier"}, "le-paquier"),
        ({"name": "Cœur d'île"}, "coeur-d-ile"),
        ({"id": "urn:a/b c"}, "urn-a-b-c"),
    ],
)
def test_an_id_comes_from_id_then_code_then_name(raw: dict[str, Any], made: str) -> None:
    assert only(zones(feature(**raw))).id == made


def test_the_id_of_the_feature_itself_comes_first_and_a_prefix_before_all() -> None:
    record = only(zones(feature(id="b") | {"id": "a"}, id_prefix="bcn-"))
    assert record.id == "bcn-a"


def test_a_changed_id_is_reported_and_the_source_s_kept() -> None:
    report = zones(feature(id="a b", name="Z"))
    assert only(report).extra == {"id": "a b"}
    assert [(change.field, change.id) for change in report.changes] == [("id", "a-b")]


def test_a_repeated_id_is_a_problem_of_the_second() -> None:
    report = zones(feature(id="a", name="one"), feature(id="a", name="two"), feature(id="b"))
    assert [record.id for record in report.records] == ["a", "b"]
    assert [(p.index, p.id, p.field) for p in report.problems] == [(1, "a", "id")]


def test_a_code_that_a_file_uses_twice_is_told_apart_by_name() -> None:
    report = zones(feature(code="03", name="Montjuïc"), feature(code="03", name="Zona Franca"))
    assert [record.id for record in report.records] == ["03-montjuic", "03-zona-franca"]
    assert {change.field for change in report.changes} == {"id"}


def test_equal_names_are_numbered() -> None:
    report = zones(feature(name="Plage"), feature(name="Plage"), feature(name="plage!"))
    assert [record.id for record in report.records] == ["plage", "plage-2", "plage-3"]


@given(st.text(max_size=300))
def test_a_slug_is_an_id_and_a_slug_of_itself(text: str) -> None:
    made = ids.slug(text)
    assert ids.is_id(made)
    assert ids.slug(made) == made


def test_a_name_without_latin_letters_has_a_stable_id() -> None:
    assert ids.slug("安錫湖") == ids.slug("安錫湖")
    assert ids.slug("安錫湖") != ids.slug("安錫")


# --- bad input -----------------------------------------------------------------------------------

BAD: list[tuple[Any, str]] = [
    (feature(polygon(BOW), id="bad"), "geometry.coordinates"),
    (feature(polygon(SQUARE[:-1]), id="bad"), "geometry.coordinates[0]"),
    (feature(polygon(), id="bad"), "geometry.coordinates"),
    (feature(polygon([]), id="bad"), "geometry.coordinates[0]"),
    (feature(polygon([[6.12, math.nan], *SQUARE]), id="bad"), "geometry.coordinates[0][0][1]"),
    (feature(polygon([[6.12, math.inf], *SQUARE]), id="bad"), "geometry.coordinates[0][0][1]"),
    (feature(polygon([["6.12", 45.9], *SQUARE]), id="bad"), "geometry.coordinates[0][0][0]"),
    (feature(polygon([[45.9, 96.12], *SQUARE]), id="bad"), "geometry.coordinates[0][0]"),
    (feature(None, id="bad"), "geometry"),
    (feature({"type": "MultiPoint", "coordinates": [[6, 45]]}, id="bad"), "geometry.type"),
    (feature({"type": "GeometryCollection", "geometries": []}, id="bad"), "geometry.type"),
    (feature({"type": "Point", "coordinates": [6.1, 45.9]}, id="bad"), "radius_m"),
    (feature({"type": "Point", "coordinates": [6.1, 45.9]}, id="bad", radius_m=-1), "radius_m"),
    (feature({"type": "LineString", "coordinates": SQUARE}, id="bad"), "half_width_m"),
    (feature(id="bad", radius_m=50), "radius_m"),
    (feature(id="bad", confirm_s="soon"), "confirm_s"),
    (feature(id="bad", capacity=0), "capacity"),
    (feature(id="bad", dwell_s=[60, "x"]), "dwell_s[1]"),
    (feature(id="bad", name={"FR": "Z"}), "name"),
    ({"type": "Feature"}, "geometry"),
    ({"type": "Polygon"}, "type"),
    ("feature", "type"),
    (None, "type"),
]


@pytest.mark.parametrize(("bad", "field"), BAD)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_bad_feature_names_its_field_and_leaves_the_others_alone(
    bad: Any, field: str, position: int
) -> None:
    others = [feature(id="a"), feature(id="b")]
    others.insert(position, bad)
    report = zones(*others)
    assert [record.id for record in report.records] == ["a", "b"]
    assert {problem.index for problem in report.problems} == {position}
    assert any(problem.field.startswith(field) for problem in report.problems), report.problems
    assert report.read == 3


def test_every_fault_of_a_geometry_is_its_own_problem() -> None:
    ring = [[6.12, math.nan], [200.0, 45.0], [6.13, 45.9], [6.12, 45.9], [6.12, math.nan]]
    report = zones(feature(polygon(ring), id="bad"))
    assert len(report.problems) >= 2
    assert {problem.id for problem in report.problems} == {"bad"}


def test_a_million_vertices_are_refused_in_words() -> None:
    big = json.dumps(feature(polygon(["RING"]), id="big")).replace('"RING"', "[6.1,45.9]," * 10**6)
    big = big.replace(",]", "]")
    data = f'{{"type":"FeatureCollection","features":[{big},{json.dumps(feature(id="a"))}]}}'
    report = read_zones(data.encode(), language="fr")
    assert [record.id for record in report.records] == ["a"]
    (problem,) = report.problems
    assert (problem.index, problem.id) == (0, "big")
    assert "vertices" in problem.reason


def test_an_invalid_polygon_is_repaired_only_when_asked_and_says_so() -> None:
    assert zones(feature(polygon(BOW), id="bow")).records == ()
    report = zones(feature(polygon(BOW), id="bow"), feature(id="a", name="A"), mend=True)
    assert [record.id for record in report.records] == ["bow", "a"]
    assert report.problems == ()
    mended = [change for change in report.changes if change.field.startswith("geometry")]
    assert mended
    assert {(change.index, change.id) for change in mended} == {(0, "bow")}
    assert only(zones(feature(report.records[0].geometry, id="bow"))).to_zone()


def test_what_needs_no_repair_is_left_to_the_last_digit() -> None:
    strict = zones(feature(id="a", name="A"))
    mended = zones(feature(id="a", name="A"), mend=True)
    assert mended == strict
    assert mended.changes == ()


def test_what_cannot_be_repaired_stays_a_problem() -> None:
    report = zones(feature(polygon([[6.12, math.nan], *SQUARE]), id="bad"), mend=True)
    assert report.records == ()
    assert report.problems


def test_swapped_coordinates_show_beside_the_destination() -> None:
    swapped = polygon([[lat, lon] for lon, lat in SQUARE])
    near = (6.13, 45.9)
    assert only(zones(feature(swapped, id="z"))).id == "z"
    (problem,) = zones(feature(swapped, id="z"), near=near).problems
    assert "lon first" in problem.reason
    assert only(zones(feature(id="z"), near=near)).id == "z"
    far = polygon([[lon - 80, lat] for lon, lat in SQUARE])
    assert only(zones(feature(far, id="z"), near=near)).id == "z"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"type": "Topology"}',
        b'{"type": "FeatureCollection"}',
        b'{"type": "FeatureCollection", "features": {}}',
        b'\xff{"type": "FeatureCollection", "features": []}',
        b'{"a": ' * 100_000,
        b'{"type": "FeatureCollection", "features": [], "crs": {"properties": {"name": "L93"}}}',
    ],
)
def test_a_file_that_is_no_geojson_in_wgs84_is_refused_as_a_whole(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        read_zones(data, language="fr")


def test_a_crs_that_says_wgs84_and_a_byte_order_mark_are_taken() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    document = {"type": "FeatureCollection", "features": [feature(id="z")], "crs": crs}
    data = b"\xef\xbb\xbf" + json.dumps(document).encode()
    assert only(read_zones(data, language="fr")).id == "z"


def test_bounds_of_a_file_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IMPORT_RECORDS_MAX", 1)
    with pytest.raises(FormatInvalid, match="more than 1"):
        zones(feature(id="a"), feature(id="b"))
    monkeypatch.setattr(limits, "IMPORT_BYTES_MAX", 10)
    with pytest.raises(FormatInvalid, match="bytes"):
        zones(feature(id="a"))


def test_foreign_values_that_are_too_long_are_not_kept() -> None:
    record = only(zones(feature(id="a", page="x" * (limits.EXTRA_CHARS_MAX + 1), osm=1)))
    assert record.extra == {"osm": 1}


# --- places --------------------------------------------------------------------------------------


def places(*features: Any) -> Any:
    document = {"type": "FeatureCollection", "features": list(features)}
    return read_places(json.dumps(document).encode(), language="fr")


def test_a_point_is_a_place_with_its_properties() -> None:
    point = {"type": "Point", "coordinates": [6.1277, 45.8986, 447.0]}
    (record,) = places(
        feature(
            point,
            name="Palais de l'Île",
            summary="Une proue de pierre.",
            categories="museum;monument",
            opening_hours="We-Mo 10:30-18:00",
            must_see="true",
            wikidata="Q1",
        )
    ).records
    assert (record.id, record.lon, record.lat) == ("palais-de-l-ile", 6.1277, 45.8986)
    assert record.summary == {"fr": "Une proue de pierre."}
    assert record.categories == ("museum", "monument")
    assert record.must_see
    assert not record.opening_hours_invalid
    assert record.extra == {"wikidata": "Q1"}


@pytest.mark.parametrize(
    ("geometry", "field"),
    [
        (GOOD, "geometry.type"),
        ({"type": "Point", "coordinates": []}, "geometry.coordinates"),
        ({"type": "Point", "coordinates": [6.1, None]}, "geometry.coordinates[1]"),
        ({"type": "Point", "coordinates": [True, 45.9]}, "geometry.coordinates[0]"),
        ({"type": "Point", "coordinates": [math.nan, 45.9]}, "lon"),
        ({"type": "Point", "coordinates": [6.1, 91]}, "lat"),
    ],
)
def test_a_place_that_is_no_point_on_the_globe_is_a_problem(geometry: Any, field: str) -> None:
    good = feature({"type": "Point", "coordinates": [6.1, 45.9]}, id="a")
    report = places(feature(geometry, id="bad"), good)
    assert [record.id for record in report.records] == ["a"]
    assert [(p.index, p.id, p.field) for p in report.problems] == [(0, "bad", field)]


# --- real files ----------------------------------------------------------------------------------


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("barcelona/zones_district.geojson", 10),
        ("barcelona/zones_neighbourhood.geojson", 73),
        ("barcelona/zones_area_of_interest.geojson", 2),
        ("val_de_loire/zones_communes_37_41.geojson", 544),
    ],
)
def test_public_zones_are_read_whole_and_keep_their_geometry(
    data_dir: Path, path: str, count: int
) -> None:
    data = (data_dir / path).read_bytes()
    report = read_zones(data, language="ca", near=(1.5, 44.5))
    assert (report.read, len(report.records), report.problems) == (count, count, ())
    assert len({record.id for record in report.records}) == count
    sources = json.loads(data)["features"]
    for record, source in zip(report.records, sources, strict=True):
        assert record.geometry == source["geometry"]
        assert record.name["ca"] == source["properties"].get(
            "name", source["properties"].get("nom")
        )


@pytest.mark.real_data
def test_the_invalid_polygon_at_the_source_is_named_and_mended_on_demand(data_dir: Path) -> None:
    data = (data_dir / "barcelona/tourism_intensity_2019.geojson").read_bytes()
    strict = read_zones(data, language="ca")
    assert (strict.read, len(strict.records)) == (121, 120)
    assert {problem.id for problem in strict.problems} == {"165"}
    assert all(problem.lon and problem.lat for problem in strict.problems)

    mended = read_zones(data, language="ca", mend=True)
    assert (len(mended.records), mended.problems) == (121, ())
    assert {c.id for c in mended.changes if c.field.startswith("geometry")} == {"165"}
    (source,) = (f for f in json.loads(data)["features"] if f["properties"]["id"] == 165)
    (record,) = (record for record in mended.records if record.id == "165")
    before = shapely.make_valid(shapely.geometry.shape(source["geometry"]), method="structure")
    after = shapely.geometry.shape(record.geometry)
    assert after.is_valid
    assert after.symmetric_difference(before).area < 1e-12
    untouched = [record for record in mended.records if record.id != "165"]
    assert untouched == list(strict.records)
