"""Measures on the ellipsoid against pyproj.Geod and shapely; the error of outlines."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from geofence.geodesy import (
    GEOD,
    Box,
    accuracy_ceiling_m,
    area_m2,
    boxes,
    boxes_around,
    distance_m,
    distance_to_m,
    exit_margin_m,
    outline,
    radius_m,
    ring_area_m2,
    wrapped,
)
from geofence.outlines import figure_of
from geofence.shapes import Area, Circle, Corridor, Ring, Zone

ERRORS = Path(__file__).parents[2] / "docs" / "reference" / "geometry-errors.md"
EARTH_M2 = 510_065_621_724_088.0  # of WGS84, Karney 2013, table 1

relaxed = settings(deadline=None, max_examples=60)
longitudes = st.floats(-180, 180)
latitudes = st.floats(-89.9, 89.9)
circles = st.builds(Circle, lon=longitudes, lat=st.floats(-90, 90), radius_m=st.floats(1, 500_000))


@st.composite
def stars(draw: st.DrawFn) -> Ring:
    """A ring that does not cross itself, 0.001 to 2 degrees across, anywhere but at the poles."""
    lon, lat = draw(longitudes), draw(st.floats(-85, 85))
    size = draw(st.floats(0.0005, 1.0))
    spokes = draw(st.lists(st.floats(0.3, 1.0), min_size=3, max_size=24))
    turn = 2 * math.pi / len(spokes)
    points = [
        (lon + size * r * math.cos(i * turn), lat + size * r * math.sin(i * turn))
        for i, r in enumerate(spokes)
    ]
    return (*points, points[0])


@st.composite
def corridors(draw: st.DrawFn) -> Corridor:
    lon, lat = draw(longitudes), draw(st.floats(-80, 80))
    steps = draw(
        st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(0.001, 0.05)), min_size=1, max_size=5)
    )
    line = [(lon, lat)]
    for d_lon, d_lat in steps:
        line.append((line[-1][0] + d_lon, line[-1][1] + d_lat))
    return Corridor(line=tuple(line), half_width_m=draw(st.floats(1, 3_000)))


def dense(ring: Ring, step_deg: float) -> NDArray[np.float64]:
    return shapely.get_coordinates(shapely.segmentize(shapely.linestrings(ring), step_deg))


def holds(covered: tuple[Box, ...], lon: float, lat: float) -> bool:
    lon = wrapped(lon)
    names = {lon, 180.0, -180.0} if abs(lon) == 180 else {lon}
    if abs(lat) == 90:
        names |= {-180.0, 180.0}
    return any(w <= x <= e and s <= lat <= n for w, s, e, n in covered for x in names)


@given(stars())
@relaxed
def test_the_area_of_a_ring_is_that_of_geographiclib(ring: Ring) -> None:
    points = dense(ring, 0.01)
    expected, _ = GEOD.polygon_area_perimeter(points[:, 0], points[:, 1])
    # The oracle's edges are geodesics: a hundredth of a degree at a time, a few in a million off.
    assert ring_area_m2(ring) == pytest.approx(abs(expected), rel=2e-5, abs=0.01)


@pytest.mark.parametrize(
    ("ring", "share"),
    [
        (((-180, -90), (180, -90), (180, 90), (-180, 90), (-180, -90)), 1.0),
        (((-180, 0), (180, 0), (180, 90), (-180, 90), (-180, 0)), 0.5),
        (((170, -90), (190, -90), (190, 90), (170, 90), (170, -90)), 20 / 360),
    ],
)
def test_rings_along_the_poles_and_over_the_antimeridian_have_their_share_of_the_earth(
    ring: Ring, share: float
) -> None:
    assert ring_area_m2(ring) == pytest.approx(EARTH_M2 * share, rel=1e-12)


def test_holes_are_taken_off_and_parts_are_added_whichever_way_they_wind() -> None:
    outer = ((0.0, 0.0), (0.1, 0.0), (0.1, 0.1), (0.0, 0.1), (0.0, 0.0))
    hole = tuple((x / 2 + 0.01, y / 2 + 0.01) for x, y in outer)
    aside = tuple((x + 1, y) for x, y in outer)
    expected = 2 * ring_area_m2(outer) - ring_area_m2(hole)
    for inner in (hole, hole[::-1]):
        area = Area(parts=((outer, inner), (aside[::-1],)))
        assert area_m2(area) == pytest.approx(expected, rel=1e-9)
        tracked = figure_of(Zone(id="a", shape=area))
        assert tracked.radius_m == pytest.approx(math.sqrt(expected / math.pi), rel=1e-9)


@given(stars())
@relaxed
def test_an_open_ring_has_the_area_of_the_closed_one(ring: Ring) -> None:
    assert ring_area_m2(ring[:-1]) == pytest.approx(ring_area_m2(ring), rel=1e-12)


@given(circles)
@relaxed
def test_the_area_of_a_circle_is_that_of_its_fine_outline(circle: Circle) -> None:
    fine = outline(circle, arc_points=2048)
    # Beside a pole the sums are as large as the Earth: 0.1 m2 is their last digit.
    assert area_m2(fine) == pytest.approx(area_m2(circle), rel=1e-3, abs=0.1)


def test_a_corridor_that_turns_back_counts_its_ground_once() -> None:
    there = Corridor(line=((2.0, 41.0), (2.1, 41.0)), half_width_m=100)
    back = Corridor(line=(*there.line, there.line[0]), half_width_m=100)
    length_m = distance_m(2.0, 41.0, 2.1, 41.0)
    assert area_m2(there) == pytest.approx(200 * length_m + math.pi * 100**2, rel=1e-3)
    assert area_m2(back) == pytest.approx(area_m2(there), rel=1e-3)


def test_margins_and_ceilings_default_to_the_radius_of_the_shape() -> None:
    small = Zone(id="a", shape=Circle(lon=0, lat=0, radius_m=30))
    large = Zone(id="b", shape=Circle(lon=0, lat=0, radius_m=1_000))
    corridor = Zone(id="c", shape=Corridor(line=((0, 0), (1, 0)), half_width_m=400))
    set_here = Zone(id="d", shape=small.shape, exit_margin_m=0.0, accuracy_ceiling_m=15.0)
    assert (exit_margin_m(small), accuracy_ceiling_m(small)) == (20, 100)
    assert (exit_margin_m(large), accuracy_ceiling_m(large)) == (100, 500)
    assert (exit_margin_m(corridor), accuracy_ceiling_m(corridor)) == (40, 200)
    assert (exit_margin_m(set_here), accuracy_ceiling_m(set_here)) == (0, 15)


def test_the_radius_of_an_area_is_that_of_the_circle_of_equal_area() -> None:
    area = outline(Circle(lon=2.18, lat=41.39, radius_m=750), arc_points=720)
    assert radius_m(area) == pytest.approx(750, rel=1e-4)
    assert exit_margin_m(Zone(id="a", shape=area)) == pytest.approx(75, rel=1e-4)


@given(circles)
@relaxed
def test_the_vertices_of_a_circles_outline_lie_on_the_circle(circle: Circle) -> None:
    ring = outline(circle).parts[0][0]
    assert ring[0] == ring[-1]
    assert -180 <= min(lon for lon, _ in ring) <= 180
    away = [distance_m(circle.lon, circle.lat, lon, lat) for lon, lat in ring if abs(lat) < 90]
    assert away == pytest.approx([circle.radius_m] * len(away), rel=1e-6, abs=1e-5)


@given(circles, st.floats(0, 360), st.floats(0, 0.9))
@relaxed
def test_a_circles_outline_holds_what_the_circle_holds(
    circle: Circle, azimuth: float, share: float
) -> None:
    lon, lat, _ = GEOD.fwd(circle.lon, circle.lat, azimuth, circle.radius_m * share)
    assert distance_to_m(lon, lat, circle) == 0
    assert distance_to_m(lon, lat, outline(circle, arc_points=256)) < circle.radius_m * 1e-6


@given(circles, st.floats(0, 360), st.floats(0, 1))
@relaxed
def test_boxes_cover_every_position_within_reach(
    circle: Circle, azimuth: float, share: float
) -> None:
    lon, lat, _ = GEOD.fwd(circle.lon, circle.lat, azimuth, circle.radius_m * share)
    covered = boxes_around(circle.lon, circle.lat, circle.radius_m)
    assert covered == boxes(circle)
    assert holds(covered, lon, lat)
    assert all(-180 <= w <= e <= 180 and -90 <= s <= n <= 90 for w, s, e, n in covered)


@given(corridors())
@relaxed
def test_boxes_cover_corridors_and_areas(corridor: Corridor) -> None:
    drawn = outline(corridor)
    for ring in itertools.chain.from_iterable(drawn.parts):
        assert all(holds(boxes(corridor), *position) for position in ring)
        assert all(holds(boxes(drawn), *position) for position in ring)


def test_a_reach_of_a_quarter_of_the_earth_covers_the_world() -> None:
    assert boxes_around(10, 10, 1.1e7) == ((-180.0, -90.0, 180.0, 90.0),)
    turned = ((-180.0, -10.0), (180.0, -10.0), (180.0, 10.0), (-180.0, 10.0), (-180.0, -10.0))
    assert boxes(Area(parts=((turned,),))) == ((-180.0, -10.0, 180.0, 10.0),)


@given(stars(), st.floats(-2, 2), st.floats(-2, 2))
@relaxed
def test_the_distance_to_an_area_is_that_to_its_finely_cut_edges(
    ring: Ring, d_lon: float, d_lat: float
) -> None:
    area = Area(parts=((ring,),))
    lon, lat = ring[0][0] + d_lon, ring[0][1] + d_lat
    found_m = distance_to_m(lon, lat, area)
    if shapely.contains_xy(shapely.polygons(ring), lon, lat):
        assert found_m == 0
        return
    points = dense(ring, 0.002)
    count = len(points)
    along = np.asarray(GEOD.inv(np.full(count, lon), np.full(count, lat), *points.T)[2])
    step_m = np.asarray(GEOD.inv(*points[:-1].T, *points[1:].T)[2]).max()
    assert along.min() - step_m / 2 <= found_m <= along.min() + 1e-4


@given(corridors(), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))
@relaxed
def test_the_distance_to_a_corridor_is_that_to_its_line_less_the_half_width(
    corridor: Corridor, d_lon: float, d_lat: float
) -> None:
    lon, lat = corridor.line[0][0] + d_lon, corridor.line[0][1] + d_lat
    points = dense(corridor.line, 0.0001)
    count = len(points)
    along = np.asarray(GEOD.inv(np.full(count, lon), np.full(count, lat), *points.T)[2])
    expected = max(0.0, float(along.min()) - corridor.half_width_m)
    assert distance_to_m(lon, lat, corridor) == pytest.approx(expected, abs=6)


def test_an_area_over_the_antimeridian_is_met_from_both_sides() -> None:
    ring = ((179.0, 0.0), (181.0, 0.0), (181.0, 1.0), (179.0, 1.0), (179.0, 0.0))
    area = Area(parts=((ring,),))
    assert distance_to_m(-179.5, 0.5, area) == 0
    assert distance_to_m(179.5, 0.5, area) == 0
    beyond = distance_m(-178.9, 0.5, -179.0, 0.5)
    assert distance_to_m(-178.9, 0.5, area) == pytest.approx(beyond, rel=1e-3)


def test_a_circle_round_the_pole_is_drawn_along_it() -> None:
    ring = outline(Circle(lon=30, lat=89.9, radius_m=50_000)).parts[0][0]
    polygon = shapely.polygons(ring)
    assert shapely.is_valid(polygon)
    assert polygon.bounds[3] == 90
    assert polygon.bounds[2] - polygon.bounds[0] == pytest.approx(360)


def test_a_long_corridor_is_drawn_in_one_piece() -> None:
    corridor = Corridor(line=((176.0, 45.0), (184.0, 46.0), (186.0, 44.0)), half_width_m=5_000)
    drawn = outline(corridor)
    assert len(drawn.parts) == 1
    assert shapely.is_valid(shapely.polygons(drawn.parts[0][0]))
    assert worst(drawn, corridor)[1] < 10


def test_a_corridor_round_a_block_has_a_hole() -> None:
    line = ((2.0, 41.0), (2.02, 41.0), (2.02, 41.02), (2.0, 41.02), (2.0, 41.0))
    (part,) = outline(Corridor(line=line, half_width_m=50)).parts
    assert len(part) == 2


def test_an_area_is_its_own_outline() -> None:
    area = Area(parts=((((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)),),))
    assert outline(area) is area


# -- the published error -------------------------------------------------------------------------


def worst(drawn: Area, shape: Circle | Corridor) -> tuple[float, float]:
    """How far the outline runs inside and outside the true edge at worst, in metres."""
    if isinstance(shape, Circle):
        reach_m, core = shape.radius_m, None
    else:
        reach_m, core = shape.half_width_m, Corridor(line=shape.line, half_width_m=0.0)
    inside = outside = 0.0
    for start, end in itertools.pairwise(drawn.parts[0][0]):
        for share in (0.0, 0.5):
            lon, lat = (a + (b - a) * share for a, b in zip(start, end, strict=True))
            away_m = (
                distance_m(shape.lon, shape.lat, lon, lat)
                if isinstance(shape, Circle)
                else distance_to_m(lon, lat, core)
            )
            inside, outside = max(inside, reach_m - away_m), max(outside, away_m - reach_m)
    return inside, outside


def figure(value: float) -> str:
    """Two digits, rounded up: a promise, and the same on machines that differ in the last bit."""
    if value < 0.01:
        return "< 0.01"
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / unit - 1e-6) * unit:.10g}"


def table() -> str:
    rows = [
        "# The error of outlines",
        "",
        "Balise tracks with exact geodesic circles and corridors. Maps draw polygons instead; this",
        "is how far their edges part from the true ones at worst, in metres, rounded up. The true",
        "edge is that of GeographicLib (pyproj.Geod on WGS84); edges are straight in lon/lat, as a",
        "map draws them. Made by `tests/geofence/test_geodesy.py`.",
        "",
        "## Circles",
        "",
        "| radius, m | latitude | vertices | inside by, m | outside by, m | share |",
        "|---|---|---|---|---|---|",
    ]
    for vertices, radius, lat in itertools.product(
        (64, 256), (30, 500, 5_000, 50_000, 500_000), (0, 45, 70)
    ):
        circle = Circle(lon=6.13, lat=lat, radius_m=radius)
        inside, outside = worst(outline(circle, arc_points=vertices), circle)
        share = 100 * max(inside, outside) / radius
        rows.append(
            f"| {radius:,} | {lat} | {vertices} | {figure(inside)} | {figure(outside)} "
            f"| {figure(share)} % |"
        )
    rows += [
        "",
        "## Corridors",
        "",
        "Along a zigzag of four legs, with 64 vertices to a full turn.",
        "",
        "| half-width, m | legs, km | latitude | inside by, m | outside by, m | share |",
        "|---|---|---|---|---|---|",
    ]
    for half_width, leg_km, lat in itertools.product((20, 200, 5_000), (1, 30), (0, 45, 70)):
        d_lat = leg_km / 111 / math.sqrt(2)
        d_lon = d_lat / math.cos(math.radians(lat))
        line = tuple((6.13 + i * d_lon, lat + i % 2 * d_lat) for i in range(5))
        corridor = Corridor(line=line, half_width_m=half_width)
        inside, outside = worst(outline(corridor), corridor)
        share = 100 * max(inside, outside) / half_width
        rows.append(
            f"| {half_width:,} | {leg_km} | {lat} | {figure(inside)} | {figure(outside)} "
            f"| {figure(share)} % |"
        )
    return "\n".join(rows) + "\n"


def test_the_published_error_of_outlines_is_the_measured_one() -> None:
    measured = table()
    if os.environ.get("BALISE_WRITE_DOCS"):
        ERRORS.parent.mkdir(parents=True, exist_ok=True)
        ERRORS.write_text(measured)
    assert ERRORS.read_text() == measured, "run this test again with BALISE_WRITE_DOCS=1"
