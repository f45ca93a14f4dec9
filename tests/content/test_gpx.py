"""GPX: lengths and climbs against an independent reader, damage reported, out and in again."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import gpxpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from content.circuits import CircuitRecord, LineString, Stop
from content.errors import FormatInvalid
from content.formats import gpx
from content.places import PlaceRecord

HEAD = '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" creator="t">'


def gpx_of(body: str) -> bytes:
    return f"{HEAD}{body}</gpx>".encode()


def track(name: str, *points: str) -> str:
    return f"<trk><name>{name}</name><trkseg>{''.join(points)}</trkseg></trk>"


POINTS = ('<trkpt lat="45.9" lon="6.1"/>', '<trkpt lat="45.91" lon="6.1"/>')


def test_tracks_and_routes_become_circuits_and_waypoints_places() -> None:
    route = '<rte><name>R</name><rtept lat="45" lon="6"/><rtept lat="46" lon="6"/></rte>'
    data = gpx_of('<wpt lat="45.9" lon="6.1"><name>Well</name></wpt>' + track("T", *POINTS) + route)
    report = gpx.read_circuits(data, language="fr")
    assert [circuit.id for circuit in report.records] == ["t", "r"]
    assert (report.read, report.others) == (2, 1)
    # A degree of latitude here is about 111.15 km on the ellipsoid.
    assert report.records[0].distance_m == pytest.approx(1111.5, abs=1)
    places = gpx.read_places(data, language="fr")
    assert [(place.id, place.lon) for place in places.records] == [("well", 6.1)]


def test_a_damaged_track_leaves_the_others_alone() -> None:
    bad = '<trkpt lat="north" lon="6.1"/>'
    data = gpx_of(
        track("", *POINTS) + track("A", POINTS[0]) + track("A", *POINTS, bad) + track("A", *POINTS)
    )
    report = gpx.read_circuits(data, language="fr")
    assert [circuit.id for circuit in report.records] == ["circuit-1", "a-2", "a-3"]
    assert [(p.index, p.field) for p in report.problems] == [(1, "geometry")]
    assert ("a-2", "geometry") in [(change.id, change.field) for change in report.changes]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<gpx>",
        b"<kml/>",
        b'<!DOCTYPE gpx [<!ENTITY a "aa">]><gpx><trk><name>&a;</name></trk></gpx>',
        b"<gpx>" + b"<a>" * 100 + b"</a>" * 100 + b"</gpx>",
    ],
)
def test_what_is_no_gpx_or_means_harm_is_refused(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        gpx.read_circuits(data, language="fr")


def test_trembling_heights_are_no_climb() -> None:
    assert gpx.ascent_m([100, 102, 99, 101, 100, 103]) == 0
    assert gpx.ascent_m([100, 110, 108, 120, 100, 90, 104]) == pytest.approx(20 + 14)


@settings(deadline=None)
@given(st.lists(st.floats(-400, 8800), max_size=50))
def test_climbs_are_between_the_height_gained_and_all_steps_up(heights: list[float]) -> None:
    steps = sum(max(0.0, b - a) for a, b in pairwise(heights))
    found = gpx.ascent_m(heights)
    gained = heights[-1] - heights[0] if heights else 0.0
    assert max(0.0, gained - gpx.CLIMB_M) <= found + 1e-6
    assert found <= steps + 1e-6


PRINTED = st.characters(codec="utf-8", exclude_categories=["C", "Z"])
NAMES = st.text(PRINTED | st.sampled_from("<>&'\""), min_size=1, max_size=30)
LONS, LATS = st.floats(-180, 180), st.floats(-90, 90)
LINES = st.lists(
    st.tuples(LONS, LATS) | st.tuples(LONS, LATS, st.floats(-100, 8000)), min_size=2, max_size=20
)


@settings(deadline=None)
@given(NAMES, LINES)
def test_a_circuit_comes_back_as_it_went_and_another_reader_agrees(
    name: str, line: list[tuple[float, ...]]
) -> None:
    circuit = CircuitRecord(
        id="c", name={"fr": name}, geometry=LineString(coordinates=tuple(line)),
        stops=(Stop(place_id="p"), Stop(place_id="gone")), website="https://a.example/?a=1&b=2",
    )  # fmt: skip
    place = PlaceRecord(id="p", name={"fr": "<Ici> & là"}, lon=6.1, lat=45.9)
    data = gpx.write_circuits([circuit], {"p": place}, languages=["en"], default_language="fr")
    (back,) = gpx.read_circuits(data, language="fr").records
    assert back.geometry is not None
    assert [p[:2] for p in back.geometry.coordinates] == [p[:2] for p in line]
    assert back.website == circuit.website
    (waypoint,) = gpx.read_places(data, language="fr").records
    assert waypoint.name == place.name

    other = gpxpy.parse(data.decode())
    (segment,) = other.tracks[0].segments
    assert [(p.longitude, p.latitude) for p in segment.points] == [p[:2] for p in line]
    assert other.tracks[0].name == name == back.name["fr"]


@pytest.mark.real_data
def test_the_real_walk_has_the_length_another_reader_finds(data_dir: Path) -> None:
    data = (data_dir / "gpx/korita-zbevnica.gpx").read_bytes()
    report = gpx.read_circuits(data, language="hr")
    assert [(p.index, p.field) for p in report.problems] == [(0, "geometry")]  # empty at the source
    assert (report.read, len(report.records), report.others) == (4, 3, 2)
    tracks = [track for track in gpxpy.parse(data.decode()).tracks if track.get_points_no() > 1]
    for circuit, track_ in zip(report.records, tracks, strict=True):
        assert circuit.geometry is not None
        assert len(circuit.geometry.coordinates) == track_.get_points_no()
        # The other reader measures on a sphere.
        assert circuit.distance_m is not None
        assert math.isclose(circuit.distance_m, track_.length_2d(), rel_tol=0.006)
