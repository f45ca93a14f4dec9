"""GeoJSON in: what is right is kept to the last digit, what is wrong is named and placed."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import shapely.geometry
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence import limits
from geofence.errors import GeometryInvalid, Problem
from geofence.geodesy import area_m2, wrapped
from geofence.shapes import Area, Circle, Corridor, Shape, Zone
from geofence.tracker import Tracker, TrackingRules
from geofence.validate import geometry_of, parse_shape, repair

SQUARE = [[2.0, 41.0], [2.1, 41.0], [2.1, 41.1], [2.0, 41.1], [2.0, 41.0]]
BOW_TIE = [[2.0, 41.0], [2.1, 41.1], [2.1, 41.0], [2.0, 41.1], [2.0, 41.0]]
OVER_180 = [[179.5, 10.0], [-179.5, 10.0], [-179.5, 11.0], [179.5, 11.0], [179.5, 10.0]]

relaxed = settings(deadline=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "x"]), inner, max_size=3)
    ),
    max_leaves=20,
)


def polygon(*rings: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": list(rings)}


def problems(geometry: object, **lengths: Any) -> tuple[Problem, ...]:
    with pytest.raises(GeometryInvalid) as caught:
        parse_shape(geometry, **lengths)
    return caught.value.problems


def only(geometry: object, **lengths: Any) -> tuple[str, str]:
    (problem,) = problems(geometry, **lengths)
    return problem.field, problem.reason


def drawn(area: Area) -> shapely.MultiPolygon:
    return shapely.multipolygons(
        [
            shapely.polygons(p[0], [shapely.linearrings(h) for h in p[1:]] or None)
            for p in area.parts
        ]
    )


def contains(area: Area, lon: float, lat: float) -> bool:
    return any(bool(shapely.contains_xy(drawn(area), lon + turn, lat)) for turn in (0, 360))


# -- what is right -------------------------------------------------------------------------------


def test_every_type_becomes_its_shape() -> None:
    ring = tuple((lon, lat) for lon, lat in SQUARE)
    assert parse_shape(polygon(SQUARE)) == Area(parts=((ring,),))
    assert parse_shape({"type": "Point", "coordinates": [2.0, 41.0]}, radius_m=75) == Circle(
        lon=2.0, lat=41.0, radius_m=75.0
    )
    assert parse_shape(
        {"type": "LineString", "coordinates": SQUARE[:3]}, half_width_m=12.5
    ) == Corridor(line=ring[:3], half_width_m=12.5)
    aside = [[lon + 1, lat] for lon, lat in SQUARE]
    both = parse_shape({"type": "MultiPolygon", "coordinates": [[SQUARE], [aside]]})
    assert isinstance(both, Area)
    assert len(both.parts) == 2


def test_altitudes_and_other_numbers_of_a_position_are_left_out() -> None:
    raised = [[*position, 12.0, None] for position in SQUARE]
    assert parse_shape(polygon(raised)) == parse_shape(polygon(SQUARE))


def test_coordinates_are_kept_to_the_last_digit() -> None:
    ring = [[2.123456789012345, 41.0], [2.1999999, 41.0], [2.15, 41.0000001], SQUARE[0]]
    ring[-1] = ring[0]
    shape = parse_shape(polygon(ring))
    assert isinstance(shape, Area)
    assert shape.parts[0][0] == tuple((lon, lat) for lon, lat in ring)


def test_an_area_over_the_antimeridian_runs_on_past_180() -> None:
    shape = parse_shape(polygon(OVER_180))
    assert isinstance(shape, Area)
    assert [lon for lon, _ in shape.parts[0][0]] == [179.5, 180.5, 180.5, 179.5, 179.5]
    turned = parse_shape(polygon([*OVER_180[1:], OVER_180[1]]))
    assert isinstance(turned, Area)
    assert [lon for lon, _ in turned.parts[0][0]] == [180.5, 180.5, 179.5, 179.5, 180.5]
    assert area_m2(shape) == pytest.approx(area_m2(turned))


def test_holes_follow_their_outer_ring_over_the_antimeridian() -> None:
    hole = [[-179.9, 10.4], [-179.6, 10.4], [-179.6, 10.6], [-179.9, 10.6], [-179.9, 10.4]]
    shape = parse_shape(polygon(OVER_180, hole))
    assert isinstance(shape, Area)
    assert min(lon for lon, _ in shape.parts[0][1]) == pytest.approx(180.1)
    assert contains(shape, -179.95, 10.5)
    assert not contains(shape, -179.75, 10.5)


def test_a_corridor_over_the_antimeridian_runs_on_past_180() -> None:
    line = {"type": "LineString", "coordinates": [[-179.9, 0], [179.9, 1]]}
    shape = parse_shape(line, half_width_m=100)
    assert isinstance(shape, Corridor)
    assert [lon for lon, _ in shape.line] == pytest.approx([180.1, 179.9])


def test_an_area_cut_at_the_antimeridian_keeps_its_parts() -> None:
    west = [[179.0, 0.0], [180.0, 0.0], [180.0, 1.0], [179.0, 1.0], [179.0, 0.0]]
    east = [[-180.0, 0.0], [-179.0, 0.0], [-179.0, 1.0], [-180.0, 1.0], [-180.0, 0.0]]
    shape = parse_shape({"type": "MultiPolygon", "coordinates": [[west], [east]]})
    assert isinstance(shape, Area)
    assert shape.parts[0][0] == tuple(map(tuple, west))
    assert shape.parts[1][0] == tuple(map(tuple, east))


@pytest.mark.parametrize(
    "cap",
    [
        [[-180, 60], [180, 60], [180, 90], [-180, 90], [-180, 60]],
        [[-180, 60], [0, 60], [180, 60], [180, 90], [0, 90], [-180, 90], [-180, 60]],
        [[-180, 60], [180, 60], [180, 90], [0, 90], [-180, 90], [-180, 60]],
    ],
)
def test_a_polar_cap_written_from_180_to_180_holds_every_longitude(cap: list[list[float]]) -> None:
    shape = parse_shape(polygon(cap))
    assert isinstance(shape, Area)
    assert all(contains(shape, lon, 75.0) for lon in (-179.0, -90.0, 0.5, 90.0, 179.0))
    assert not contains(shape, 0.5, 59.0)


def test_a_ring_that_stops_at_180_on_both_sides_crosses_it() -> None:
    ring = [[179, 0], [180, 0], [-180, 0], [-179, 0], [-179, 1], [-180, 1], [180, 1], [179, 1]]
    shape = parse_shape(polygon([*ring, ring[0]]))
    assert isinstance(shape, Area)
    assert max(lon for lon, _ in shape.parts[0][0]) == 181


@pytest.mark.parametrize("ring", [SQUARE, OVER_180])
def test_the_geometry_written_is_read_back_as_the_same_shape(ring: list[list[float]]) -> None:
    for geometry, lengths in (
        (polygon(ring), {}),
        ({"type": "LineString", "coordinates": ring[:3]}, {"half_width_m": 30.0}),
        ({"type": "Point", "coordinates": ring[0]}, {"radius_m": 30.0}),
        ({"type": "MultiPolygon", "coordinates": [[ring], [[[1, 1], [1, 2], [2, 2], [1, 1]]]]}, {}),
    ):
        shape = parse_shape(geometry, **lengths)
        written = geometry_of(shape)
        assert parse_shape(json.loads(json.dumps(written)), **lengths) == shape


# -- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", [None, [], "Polygon", 3])
def test_what_is_no_object_is_refused(geometry: object) -> None:
    assert only(geometry) == ("geometry", "must be a GeoJSON geometry object")


@pytest.mark.parametrize("kind", [None, "polygon", "Feature", "GeometryCollection", ["Point"]])
def test_unknown_types_are_refused_with_the_list_of_known_ones(kind: object) -> None:
    field, reason = only({"type": kind, "coordinates": []})
    assert field == "geometry.type"
    assert "MultiPolygon" in reason


@pytest.mark.parametrize("kind", ["Point", "LineString", "Polygon", "MultiPolygon"])
@pytest.mark.parametrize("coordinates", [None, [], {}, "2,41"])
def test_empty_coordinates_are_refused(kind: str, coordinates: object) -> None:
    found = problems({"type": kind, "coordinates": coordinates}, radius_m=None)
    assert found[-1].field == "geometry.coordinates"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "True"),
        ("2.0", "'2.0'"),
        (None, "None"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (10**400, "1000"),
        ([2.0], "[2.0]"),
    ],
)
def test_what_is_no_finite_number_is_named_with_its_path(value: object, shown: str) -> None:
    field, reason = only(polygon([*SQUARE[:2], [2.1, value], *SQUARE[3:]]))
    assert field == "geometry.coordinates[0][2][1]"
    assert reason.startswith(shown)
    assert reason.endswith("is not a finite number")


def test_positions_off_the_globe_are_named_with_their_path() -> None:
    found = problems(polygon(SQUARE, [[2.0, 41.0], [181.0, 91.0], [2.0, -100.0]]))
    assert [p.field for p in found] == [
        "geometry.coordinates[1][1][0]",
        "geometry.coordinates[1][2]",
    ]
    assert found[0].reason == "longitude 181.0 is outside -180 to 180"


def test_swapped_coordinates_are_hinted_at_where_the_swap_would_be_right() -> None:
    (problem,) = problems({"type": "Point", "coordinates": [48.8, 102.3]}, radius_m=50)
    assert problem.field == "geometry.coordinates"
    assert "looks like lat, lon; GeoJSON has lon first" in problem.reason
    assert (problem.lon, problem.lat) == (102.3, 48.8)
    field, reason = only({"type": "Point", "coordinates": [102.3, 102.3]}, radius_m=50)
    assert (field, reason) == (
        "geometry.coordinates[1]",
        "latitude 102.3 is outside -90 to 90",
    )


def test_rings_must_be_closed_and_have_four_positions() -> None:
    field, reason = only(polygon(SQUARE[:-1]))
    assert field == "geometry.coordinates[0]"
    assert "not closed" in reason
    field, reason = only(polygon(SQUARE, [SQUARE[0], SQUARE[1], SQUARE[0]]))
    assert field == "geometry.coordinates[1]"
    assert reason.startswith("3 positions")


@pytest.mark.parametrize(
    ("coordinates", "field"),
    [
        ([[]], "geometry.coordinates[0]"),
        ([{}], "geometry.coordinates[0]"),
        ([[1, 2], [3, 4]], "geometry.coordinates[0][0]"),
        ([[[]]], "geometry.coordinates[0][0]"),
    ],
)
def test_wrong_nesting_is_named_with_its_path(coordinates: object, field: str) -> None:
    assert problems({"type": "Polygon", "coordinates": coordinates})[0].field == field


def test_wrong_nesting_of_parts_is_named_with_its_path() -> None:
    found = problems({"type": "MultiPolygon", "coordinates": [[], 3, [SQUARE], [4]]})
    assert [p.field for p in found] == [
        "geometry.coordinates[0]",
        "geometry.coordinates[1]",
        "geometry.coordinates[3][0]",
    ]


def test_self_intersections_are_placed_on_the_map() -> None:
    (problem,) = problems(polygon(BOW_TIE))
    assert problem.field == "geometry.coordinates"
    assert problem.reason == "self-intersection"
    assert (problem.lon, problem.lat) == (pytest.approx(2.05), pytest.approx(41.05))


def test_each_part_that_crosses_itself_is_named() -> None:
    aside = [[lon + 1, lat] for lon, lat in BOW_TIE]
    found = problems({"type": "MultiPolygon", "coordinates": [[BOW_TIE], [SQUARE], [aside]]})
    assert [p.field for p in found] == ["geometry.coordinates[0]", "geometry.coordinates[2]"]


def test_parts_that_overlap_are_refused_also_over_the_antimeridian() -> None:
    moved = [[lon + 0.05, lat] for lon, lat in SQUARE]
    assert problems({"type": "MultiPolygon", "coordinates": [[SQUARE], [moved]]})
    east = [[-179.9, 10.2], [-179.0, 10.2], [-179.0, 10.8], [-179.9, 10.8], [-179.9, 10.2]]
    field, reason = only({"type": "MultiPolygon", "coordinates": [[OVER_180], [east]]})
    assert (field, reason) == ("geometry.coordinates", "parts overlap at the antimeridian")
    beside = [[lon + 0.5, lat] for lon, lat in east]
    assert parse_shape({"type": "MultiPolygon", "coordinates": [[OVER_180], [beside]]})


def test_holes_outside_are_refused() -> None:
    hole = [[lon + 1, lat] for lon, lat in SQUARE]
    assert "hole" in only(polygon(SQUARE, hole))[1]


def test_areas_without_area_are_refused() -> None:
    line = [[2.0, 41.0], [2.1, 41.0], [2.2, 41.0], [2.0, 41.0]]
    assert only(polygon(line)) == ("geometry.coordinates", "the ring has no area")
    speck = [[2.0, 41.0], [2.000001, 41.0], [2.0, 41.000001], [2.0, 41.0]]
    assert "m2; a zone has at least 1 m2" in only(polygon(speck))[1]


def test_a_ring_round_a_pole_is_refused_with_the_way_to_write_it() -> None:
    ring = [[0, 80], [120, 80], [-120, 80], [0, 80]]
    field, reason = only(polygon(ring))
    assert field == "geometry.coordinates[0]"
    assert "runs round a pole" in reason


@pytest.mark.parametrize(
    ("radius_m", "reason"),
    [
        (None, "is missing"),
        (0, "0 is outside 1 m to 500000 m"),
        (-5.0, "-5.0 is outside 1 m to 500000 m"),
        (6e5, "600000.0 is outside 1 m to 500000 m"),
        (math.nan, "nan is not a finite number of metres"),
        (True, "True is not a finite number of metres"),
        ("75", "'75' is not a finite number of metres"),
    ],
)
def test_radii_out_of_bounds_are_refused(radius_m: Any, reason: str) -> None:
    point = {"type": "Point", "coordinates": [2.0, 41.0]}
    assert only(point, radius_m=radius_m) == ("radius_m", reason)


def test_lengths_belong_to_their_type_and_are_named_beside_the_geometry() -> None:
    assert only(polygon(SQUARE), radius_m=5.0) == (
        "radius_m",
        "belongs to a Point, not to a Polygon",
    )
    line = {"type": "LineString", "coordinates": SQUARE}
    assert only(line, where="features[3].geometry") == ("features[3].half_width_m", "is missing")
    assert only(line, half_width_m=60_000.0)[1] == "60000.0 is outside 1 m to 50000 m"


def test_a_line_needs_two_positions_that_differ() -> None:
    for line in ([SQUARE[0]], [SQUARE[0], SQUARE[0]]):
        field, reason = only({"type": "LineString", "coordinates": line}, half_width_m=5)
        assert (field, reason) == (
            "geometry.coordinates",
            "a line needs two positions that differ",
        )


def test_corridors_keep_away_from_the_poles() -> None:
    line = {"type": "LineString", "coordinates": [[0, 84.9], [0, 85.1]]}
    assert only(line, half_width_m=5) == (
        "geometry.coordinates",
        "corridors end at 85 degrees of latitude",
    )


def test_too_many_vertices_are_refused_before_any_is_read() -> None:
    # Were a position looked at, this would say that it is none.
    for kind, coordinates in (
        ("Polygon", [[None] * 1_000_000]),
        ("LineString", [None] * 1_000_000),
        ("MultiPolygon", [[[None] * 60_000]] * 2),
    ):
        half_width_m = 5 if kind == "LineString" else None
        field, reason = only({"type": kind, "coordinates": coordinates}, half_width_m=half_width_m)
        assert field == "geometry.coordinates"
        assert f"a zone may have {limits.VERTICES_MAX}" in reason


def test_problems_are_listed_up_to_a_bound() -> None:
    assert len(problems(polygon([["x", 1]] * 5_000))) == limits.PROBLEMS_MAX


def test_the_error_says_all_it_found() -> None:
    with pytest.raises(GeometryInvalid, match=r"geometry\.coordinates\[0\]\[0\]\[0\]: 'x'.*; "):
        parse_shape(polygon([["x", 1], [1, "y"]]))


@given(json_values)
@relaxed
def test_anything_is_either_a_shape_or_a_list_of_problems(value: object) -> None:
    for read in (parse_shape, repair):
        for geometry in (value, {"type": "Polygon", "coordinates": value}):
            try:
                read(geometry)
            except GeometryInvalid as error:
                count = len(error.problems)
            else:
                count = 1
            assert 1 <= count <= limits.PROBLEMS_MAX


positions = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
near = st.tuples(
    st.integers(20_000_000, 20_000_400).map(lambda v: v / 1e7),
    st.integers(410_000_000, 410_000_400).map(lambda v: v / 1e7),
)


@given(st.lists(near, min_size=3, max_size=8))
@relaxed
def test_what_is_accepted_is_valid_to_shapely_and_repair_leaves_it_alone(
    ring: list[tuple[float, float]],
) -> None:
    geometry = polygon([*ring, ring[0]])
    try:
        shape = parse_shape(geometry)
    except GeometryInvalid:
        given_shape = shapely.polygons([*ring, ring[0]])
        assert not shapely.is_valid(given_shape) or given_shape.area * 111_320**2 < 2
        return
    assert isinstance(shape, Area)
    assert shapely.is_valid(shapely.polygons(shape.parts[0][0]))
    assert repair(geometry) == (shape, ())


@given(st.lists(positions, min_size=3, max_size=8))
@relaxed
def test_repaired_areas_are_valid_and_say_what_changed(ring: list[tuple[float, float]]) -> None:
    try:
        shape, changes = repair(polygon(ring))
    except GeometryInvalid:
        return
    assert isinstance(shape, Area)
    assert shapely.is_valid(drawn(shape))
    assert all(-180 <= p.bounds[0] <= 180 for p in shapely.get_parts(drawn(shape)))
    assert changes or ring[0] == ring[-1]


# -- repair --------------------------------------------------------------------------------------


def test_an_open_ring_is_closed_and_said_so() -> None:
    shape, changes = repair(polygon(SQUARE[:-1]))
    assert shape == parse_shape(polygon(SQUARE))
    assert [(c.field, c.change) for c in changes] == [
        ("geometry.coordinates[0]", "closed the ring")
    ]


def test_a_bow_tie_becomes_two_triangles_and_is_said_so() -> None:
    shape, changes = repair(polygon(BOW_TIE))
    assert isinstance(shape, Area)
    assert len(shape.parts) == 2
    assert changes[0].change == "untangled: self-intersection at 2.05, 41.05"
    assert changes[1].change.startswith("left 2 part(s) of ")


def test_overlapping_parts_are_joined_also_over_the_antimeridian() -> None:
    east = [[-179.9, 10.2], [-179.0, 10.2], [-179.0, 10.8], [-179.9, 10.8], [-179.9, 10.2]]
    shape, changes = repair({"type": "MultiPolygon", "coordinates": [[OVER_180], [east]]})
    assert isinstance(shape, Area)
    assert len(shape.parts) == 1
    assert max(lon for lon, _ in shape.parts[0][0]) == pytest.approx(181.0)
    assert len(changes) == 2


def test_what_has_no_sensible_reading_is_not_repaired() -> None:
    line = [[2.0, 41.0], [2.1, 41.0], [2.2, 41.0], [2.0, 41.0]]
    for geometry in (polygon([["x", 1]] * 4), polygon(line), polygon(SQUARE[:2]), None):
        with pytest.raises(GeometryInvalid):
            repair(geometry)


def test_circles_and_corridors_pass_through_repair() -> None:
    shape, changes = repair({"type": "Point", "coordinates": [2, 41]}, radius_m=5)
    assert (shape, changes) == (Circle(lon=2.0, lat=41.0, radius_m=5.0), ())


@given(st.lists(near, min_size=3, max_size=8), st.floats(-180, 180), st.floats(-44, 48))
@relaxed
def test_what_is_accepted_can_be_tracked(
    ring: list[tuple[float, float]], d_lon: float, d_lat: float
) -> None:
    moved = [[wrapped(lon + d_lon), lat + d_lat] for lon, lat in ring]
    shapes: list[Shape] = []
    for geometry, lengths in (
        (polygon([*moved, moved[0]]), {}),
        ({"type": "LineString", "coordinates": moved}, {"half_width_m": 25.0}),
        ({"type": "Point", "coordinates": moved[0]}, {"radius_m": 25.0}),
    ):
        with contextlib.suppress(GeometryInvalid):
            shapes.append(parse_shape(geometry, **lengths))
    tracker = Tracker(TrackingRules())
    tracker.put_zones([Zone(id=str(i), shape=shape) for i, shape in enumerate(shapes)], 0)
    assert len(tracker.zone_ids) == len(shapes) >= 1


@pytest.mark.real_data
def test_real_areas_are_accepted_and_the_one_invalid_one_is_placed_and_repaired(
    data_dir: Path,
) -> None:
    bad = []
    for name in ("zones_neighbourhood", "zones_area_of_interest", "tourism_intensity_2019"):
        for feature in json.loads((data_dir / f"barcelona/{name}.geojson").read_bytes())[
            "features"
        ]:
            geometry = feature["geometry"]
            try:
                shape = parse_shape(geometry)
            except GeometryInvalid as error:
                bad.append((feature["properties"]["id"], error.problems))
                mended, changes = repair(geometry)
                assert changes
                expected = feature["properties"]["area_m2"]
                assert area_m2(mended) == pytest.approx(expected, rel=0.02)
                continue
            assert isinstance(shape, Area)
            given_shape = shapely.geometry.shape(geometry)
            assert np.array_equal(
                shapely.get_coordinates(given_shape), shapely.get_coordinates(drawn(shape))
            )
    ((identity, found),) = bad
    assert identity == 165
    assert "self-intersection" in found[0].reason
    assert (found[0].lon, found[0].lat) == (2.2172026, 41.4040032)
