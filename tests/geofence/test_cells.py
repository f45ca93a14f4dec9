"""The cell index against shapely and pyproj.Geod."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence import limits
from geofence.errors import OverlapExceeded
from geofence.index import CellIndex
from geofence.outlines import figure_of
from geofence.shapes import Area, Circle, Corridor, Ring, Zone
from geofence.tracker import OFF, Tracker

GEOD = pyproj.Geod(ellps="WGS84")


def ring(r: np.random.Generator, x: float, y: float, size: float, n: int) -> Ring:
    angles = np.sort(r.uniform(0, 2 * np.pi, n))
    radius = size * r.uniform(0.3, 1.0, n)
    points = [(x + a, y + b) for a, b in zip(radius * np.cos(angles), radius * np.sin(angles),
                                             strict=True)]  # fmt: skip
    return (*points, points[0])


def area(r: np.random.Generator, x: float, y: float, size: float) -> Area:
    outer = ring(r, x, y, size, int(r.integers(3, 60)))
    parts: list[tuple[Ring, ...]] = [(outer,)]
    if r.random() < 0.5:
        hole = ring(r, x, y, size * 0.1, 5)
        if shapely.Polygon(outer).contains_properly(shapely.Polygon(hole)):
            parts = [(outer, hole)]
    if r.random() < 0.3:
        parts.append((ring(r, x + 3 * size, y, size, 8),))
    return Area(parts=tuple(parts))


def polygon(shape: Area) -> shapely.Geometry:
    return shapely.MultiPolygon([(p[0], p[1:]) for p in shape.parts])


def probes(r: np.random.Generator, shape: shapely.Geometry, n: int) -> np.ndarray:
    x0, y0, x1, y1 = shape.bounds
    wide = r.uniform((x0, y0), (x1, y1), (n, 2))
    v = shapely.get_coordinates(shape)
    k = r.integers(0, len(v) - 1, n)
    along = v[k] + r.random((n, 1)) * (v[k + 1] - v[k])
    near = along + r.normal(0, 1, (n, 2)) * 10.0 ** r.uniform(-8, -3, (n, 1))
    # Level with vertices and cell borders, where half-open rules are put to the test.
    level = np.c_[r.uniform(x0, x1, n), v[k, 1]]
    return np.concatenate([wide, near, level])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.floats(-5, 1))
def test_areas_hold_exactly_the_points_that_shapely_finds_within(seed: int, exponent: float):
    r = np.random.default_rng(seed)
    size = 10.0**exponent
    shapes = [area(r, r.uniform(-100, 100), r.uniform(-50, 50), size)]
    x, y = shapes[0].parts[0][0][0]
    shapes += [area(r, x + r.normal(0, size), y + r.normal(0, size), size) for _ in range(5)]
    index = CellIndex()
    for k, shape in enumerate(shapes):
        assert index.put(k, figure_of(Zone(id=str(k), shape=shape)).outline)
    valid = [shapely.is_valid(polygon(s)) for s in shapes]
    for shape in shapes:
        points = probes(r, polygon(shape), 60)
        within = [shapely.within(shapely.points(points), polygon(s)) for s in shapes]
        off = [shapely.distance(shapely.points(points), polygon(s).boundary) > 1e-13
               for s in shapes]  # fmt: skip
        for i, (px, py) in enumerate(points):
            found = set(index.locate(px, py).tolist())
            for k in range(len(shapes)):
                if valid[k] and off[k][i]:
                    assert (k in found) == within[k][i]


@pytest.mark.parametrize("corner", [(0.0, 0.0), (45.0, 45.0), (2.8125, 5.625), (-180.0, -90.0)])
def test_squares_on_the_cells_own_lattice_lose_no_point(corner: tuple[float, float]):
    x, y = corner
    diamond = ((x + 1, y), (x + 2, y + 1), (x + 1, y + 2), (x, y + 1), (x + 1, y))
    index = CellIndex()
    index.put(0, figure_of(Zone(id="a", shape=Area(parts=((diamond,),)))).outline)
    whole = shapely.Polygon(diamond)
    for a in range(65):
        for b in range(65):
            point = shapely.Point(x + a / 32, y + b / 32)
            assert (len(index.locate(point.x, point.y)) == 1) == whole.contains_properly(point)


@settings(max_examples=60, deadline=None)
@given(
    lon=st.floats(-180, 179.999),
    lat=st.floats(-89.9, 89.9),
    exponent=st.floats(0.5, 5.7),
    seed=st.integers(0, 2**32 - 1),
)
def test_circles_hold_what_the_geodesic_says_to_a_millimetre(
    lon: float, lat: float, exponent: float, seed: int
):
    radius_m = 10.0**exponent
    index = CellIndex()
    circle = Circle(lon=lon, lat=lat, radius_m=radius_m)
    index.put(0, figure_of(Zone(id="c", shape=circle)).outline)
    r = np.random.default_rng(seed)
    gaps = np.concatenate([r.choice((-1, 1), 40) * 10.0 ** r.uniform(-3, 1, 40),
                           r.uniform(-radius_m, radius_m, 20)])  # fmt: skip
    for gap in gaps[radius_m + gaps > 0]:
        x, y, _ = GEOD.fwd(lon, lat, r.uniform(0, 360), radius_m + gap)
        x = x - 360 if x >= 180 else x
        assert (len(index.locate(x, y)) == 1) == (gap < 0), gap


def test_a_corridor_holds_what_lies_within_its_half_width():
    line = ((6.0, 45.0), (6.3, 45.2), (6.2, 45.4))
    index = CellIndex()
    zone = Zone(id="c", shape=Corridor(line=line, half_width_m=120))
    index.put(0, figure_of(zone).outline)
    r = np.random.default_rng(1)
    for _ in range(400):
        k, share = r.integers(0, 2), r.random()
        x = line[k][0] + share * (line[k + 1][0] - line[k][0])
        y = line[k][1] + share * (line[k + 1][1] - line[k][1])
        x, y, _ = GEOD.fwd(x, y, r.uniform(0, 360), r.uniform(0, 300))
        dense = shapely.get_coordinates(shapely.segmentize(shapely.LineString(line), 2e-5))
        nearest = dense[np.hypot((dense[:, 0] - x) * 0.7, dense[:, 1] - y).argsort()[:30]]
        d = min(GEOD.inv(x, y, a, b)[2] for a, b in nearest)
        if abs(d - 120) > 0.5:
            assert (len(index.locate(x, y)) == 1) == (d < 120)


def test_areas_and_circles_run_over_the_antimeridian():
    square = ((179.0, -1.0), (181.0, -1.0), (181.0, 1.0), (179.0, 1.0), (179.0, -1.0))
    tracker = Tracker(OFF)
    tracker.put_zones(
        [
            Zone(id="square", shape=Area(parts=((square,),))),
            Zone(id="circle", shape=Circle(lon=179.9, lat=0.0, radius_m=50_000)),
        ],
        0,
    )
    assert tracker.zones_at(179.5, 0.0).tolist() == [0, 1]
    assert tracker.zones_at(-179.9, 0.0).tolist() == [0, 1]
    assert tracker.zones_at(180.0, 0.0).tolist() == [0, 1]
    assert tracker.zones_at(-179.2, 0.0).tolist() == [0]
    assert tracker.zones_at(-178.9, 0.0).tolist() == []


def test_a_circle_round_the_pole_holds_every_longitude():
    tracker = Tracker(OFF)
    tracker.put_zones([Zone(id="p", shape=Circle(lon=0.0, lat=89.5, radius_m=200_000))], 0)
    for lon in range(-180, 180, 15):
        d = GEOD.inv(0.0, 89.5, lon, 88.9)[2]
        assert (len(tracker.zones_at(lon, 88.9)) == 1) == (d < 200_000)
    assert len(tracker.zones_at(33.0, 90.0)) == 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_edits_leave_the_index_as_if_built_anew(seed: int):
    r = np.random.default_rng(seed)
    edited, live = CellIndex(), {}
    for _ in range(60):
        k = int(r.integers(0, 12))
        if k in live:
            edited.remove(k, live.pop(k))
        if r.random() < 0.7:
            x, y, size = r.uniform(6, 6.02), r.uniform(45, 45.02), 10.0 ** r.uniform(-4, -1.5)
            shape = (Circle(lon=x, lat=y, radius_m=size * 1e5) if r.random() < 0.3
                     else area(r, x, y, size))  # fmt: skip
            live[k] = figure_of(Zone(id=str(k), shape=shape)).outline
            edited.put(k, live[k])
    fresh = CellIndex()
    for k, outline in sorted(live.items()):
        fresh.put(k, outline)
    for x, y in r.uniform((5.98, 44.98), (6.04, 45.04), (400, 2)):
        assert edited.locate(x, y).tolist() == fresh.locate(x, y).tolist()


def test_a_country_beside_a_small_circle_stays_exact():
    r = np.random.default_rng(4)
    angles = np.linspace(0, 2 * math.pi, 20_001)[:-1]
    radius = 4 + 0.5 * np.sin(9 * angles) + r.normal(0, 0.0005, 20_000)
    points = list(zip(2 + radius * np.cos(angles), 46 + radius * np.sin(angles), strict=True))
    shape = Area(parts=(((*points, points[0]),),))
    index = CellIndex()
    index.put(0, figure_of(Zone(id="country", shape=shape)).outline)
    index.put(1, figure_of(Zone(id="kiosk", shape=Circle(lon=2, lat=46, radius_m=10))).outline)
    whole = polygon(shape)
    shapely.prepare(whole)
    xy = np.concatenate([r.uniform((-4, 40), (8, 52), (3_000, 2)),
                         np.array(points)[::10] + r.normal(0, 1e-4, (2_000, 2))])  # fmt: skip
    for (x, y), within in zip(xy, shapely.within(shapely.points(xy), whole), strict=True):
        assert (0 in index.locate(x, y)) == within
    assert index.locate(2.0, 46.0).tolist() == [0, 1]


def test_too_many_zones_over_one_spot_are_refused_and_nothing_changes():
    tracker = Tracker(OFF)
    circle = Circle(lon=6.0, lat=45.0, radius_m=30)
    many = [Zone(id=str(k), shape=circle) for k in range(limits.ZONES_PER_CELL_MAX)]
    tracker.put_zones(many, 0)
    with pytest.raises(OverlapExceeded) as refused:
        tracker.put_zones([Zone(id="one more", shape=circle)], 0)
    assert refused.value.limit == limits.ZONES_PER_CELL_MAX
    assert len(tracker.zones_at(6.0, 45.0)) == limits.ZONES_PER_CELL_MAX
    assert len(tracker.zone_ids) == limits.ZONES_PER_CELL_MAX
    moved = Zone(id="0", shape=Circle(lon=7.0, lat=45.0, radius_m=30))
    with pytest.raises(OverlapExceeded):
        tracker.put_zones([Zone(id="one more", shape=circle), moved], 0)
    assert len(tracker.zones_at(6.0, 45.0)) == limits.ZONES_PER_CELL_MAX
    assert len(tracker.zones_at(7.0, 45.0)) == 0
