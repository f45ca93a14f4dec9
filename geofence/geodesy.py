"""WGS84 measures of shapes, outside the kernels: areas, margins, boxes, distances and outlines.

Edges of areas and of a corridor's line are straight in lon/lat, as RFC 7946 has them; distances
and radii are geodesic. Angles are degrees, lengths metres.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import numpy as np
import pyproj
import shapely

from geofence import limits
from geofence.columns import F64
from geofence.shapes import Area, Circle, Corridor, Ring, Shape, Zone

GEOD = pyproj.Geod(ellps="WGS84")

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west <= east, longitudes within -180..180."""

WORLD: Box = (-180.0, -90.0, 180.0, 90.0)

EXIT_MARGIN_M_MIN = 20.0
EXIT_MARGIN_SHARE = 0.1
ACCURACY_CEILING_M_MIN = 100.0
ACCURACY_CEILING_SHARE = 0.5
COVER_SLACK = 1.001

# The smallest radius of curvature of the ellipsoid (the meridian's, at the equator): an angle made
# from a length with it is never too small, so boxes made with it never cut a shape.
_CURVATURE_M_MIN = GEOD.b**2 / GEOD.a
_ECCENTRICITY = math.sqrt(GEOD.es)
_GAUSS_X, _GAUSS_W = np.polynomial.legendre.leggauss(6)


def distance_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Geodesic distance between two positions."""
    return float(GEOD.inv(lon_a, lat_a, lon_b, lat_b)[2])


def wrapped(lon: float) -> float:
    """The same meridian within -180..180; a longitude that is already there is left alone."""
    if -180.0 <= lon <= 180.0:
        return lon
    return lon - 360.0 * math.floor((lon + 180.0) / 360.0)


# -- sizes -------------------------------------------------------------------------------------


def area_m2(shape: Shape) -> float:
    """Area on the ellipsoid; a corridor's is that of its outline, overlaps counted once."""
    if isinstance(shape, Circle):
        # A spherical cap on the mean sphere; the ellipsoid changes it by less than 0.7 %.
        sphere_m = (2 * GEOD.a + GEOD.b) / 3
        return 4 * math.pi * (sphere_m * math.sin(shape.radius_m / sphere_m / 2)) ** 2
    parts = shape.parts if isinstance(shape, Area) else outline(shape).parts
    return sum(
        max(0.0, ring_area_m2(outer) - sum(ring_area_m2(hole) for hole in holes))
        for outer, *holes in parts
    )


def ring_area_m2(ring: Ring) -> float:
    """Area inside a ring whose edges are straight in lon/lat; an open one is taken as closed.

    The integral of Q(lat) dlon along the ring, Q being the area from the equator to a latitude
    over one radian of longitude (Snyder, Map Projections, 1987, eq. 3-12), by Gauss-Legendre on
    each edge. Rings that run along a pole or past 180 degrees need no special case.
    """
    points = np.radians(np.asarray((*ring, ring[0]), np.float64))
    d_lon = np.diff(points[:, 0])
    lat = points[:-1, 1, None] + np.diff(points[:, 1])[:, None] * ((_GAUSS_X + 1) / 2)
    # Taken from the first vertex on, which changes nothing in a closed ring but keeps the digits.
    band = _band_m2(lat) - _band_m2(points[0, 1])
    return abs(float(((band @ _GAUSS_W) / 2 * d_lon).sum()))


def _band_m2(lat_rad: F64) -> F64:
    sine = np.sin(lat_rad)
    bracket = sine / (1 - GEOD.es * sine**2) + np.arctanh(_ECCENTRICITY * sine) / _ECCENTRICITY
    return GEOD.b**2 / 2 * bracket


def radius_m(shape: Shape) -> float:
    """Circle: its radius; corridor: its half-width; area: radius of the circle of equal area."""
    if isinstance(shape, Circle):
        return shape.radius_m
    if isinstance(shape, Corridor):
        return shape.half_width_m
    return math.sqrt(area_m2(shape) / math.pi)


def exit_margin_m(zone: Zone) -> float:
    """How far beyond the edge a fix must be to leave; by default max(10 % of the radius, 20 m)."""
    if zone.exit_margin_m is not None:
        return zone.exit_margin_m
    return max(EXIT_MARGIN_M_MIN, EXIT_MARGIN_SHARE * radius_m(zone.shape))


def accuracy_ceiling_m(zone: Zone) -> float:
    """The worst accuracy with which a fix may enter; by default max(100 m, half the radius)."""
    if zone.accuracy_ceiling_m is not None:
        return zone.accuracy_ceiling_m
    return max(ACCURACY_CEILING_M_MIN, ACCURACY_CEILING_SHARE * radius_m(zone.shape))


def covering_circle(shape: Shape) -> Circle:
    """A circle that holds all of the shape; not always the smallest.

    Edges are straight in lon/lat, so that those of some kilometres run outside of the geodesic
    between their ends: their middles are measured too, and a thousandth is added.
    """
    if isinstance(shape, Circle):
        return shape
    rings = (shape.line,) if isinstance(shape, Corridor) else [part[0] for part in shape.parts]
    corners = [np.asarray(ring) for ring in rings]
    middles = [(corner[1:] + corner[:-1]) / 2 for corner in corners]
    points = np.concatenate(corners + middles)
    # Parts on either side of the antimeridian are brought together, near the first point.
    points[:, 0] -= np.round((points[:, 0] - points[0, 0]) / 360) * 360
    lon, lat = ((points.min(axis=0) + points.max(axis=0)) / 2).tolist()
    reach_m = float(_distances_m(lon, lat, points).max()) * COVER_SLACK
    if isinstance(shape, Corridor):
        reach_m += shape.half_width_m
    return Circle(lon=wrapped(lon), lat=lat, radius_m=reach_m)


# -- boxes -------------------------------------------------------------------------------------


def boxes(shape: Shape) -> tuple[Box, ...]:
    """Boxes that together cover the shape: one a part, cut where it crosses the antimeridian."""
    if isinstance(shape, Circle):
        return boxes_around(shape.lon, shape.lat, shape.radius_m)
    if isinstance(shape, Corridor):
        return _padded(_bounds(shape.line), shape.half_width_m)
    return tuple(box for part in shape.parts for box in _cut(*_bounds(part[0])))


def boxes_around(lon: float, lat: float, reach_m: float) -> tuple[Box, ...]:
    """Boxes that cover all positions at most `reach_m` away; they may cover slightly more."""
    return _padded((lon, lat, lon, lat), reach_m)


def _bounds(ring: Ring) -> Box:
    points = np.asarray(ring, np.float64)
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _padded(box: Box, reach_m: float) -> tuple[Box, ...]:
    west, south, east, north = box
    reach = reach_m / _CURVATURE_M_MIN * (1 + 1e-9) + 1e-12
    if reach >= math.pi / 2:
        return (WORLD,)
    reach_deg = math.degrees(reach)
    low, high = south - reach_deg, north + reach_deg
    if low <= -90 or high >= 90:
        return ((-180.0, max(-90.0, low), 180.0, min(90.0, high)),)
    # Where a circle of angular radius c round latitude p touches its outermost meridians, those
    # are asin(sin c / cos p) away (spherical right triangle).
    steepest = math.radians(max(abs(south), abs(north)))
    pad = math.degrees(math.asin(min(1.0, math.sin(reach) / math.cos(steepest))))
    return _cut(west - pad, low, east + pad, high)


def _cut(west: float, south: float, east: float, north: float) -> tuple[Box, ...]:
    if east - west >= 360:
        return ((-180.0, south, 180.0, north),)
    turns = math.floor((west + 180) / 360) * 360
    west, east = west - turns, east - turns
    if east <= 180:
        return ((west, south, east, north),)
    return ((west, south, 180.0, north), (-180.0, south, east - 360, north))


# -- distances ---------------------------------------------------------------------------------


def distance_to_m(lon: float, lat: float, shape: Shape) -> float:
    """Geodesic distance from a position to the nearest point of a shape; 0 inside."""
    if isinstance(shape, Circle):
        return max(0.0, distance_m(lon, lat, shape.lon, shape.lat) - shape.radius_m)
    if isinstance(shape, Corridor):
        return max(0.0, _distance_to_lines_m(lon, lat, (shape.line,)) - shape.half_width_m)
    if any(_within(lon + turn, lat, part) for part in shape.parts for turn in (0, 360, -360)):
        return 0.0
    return _distance_to_lines_m(lon, lat, (ring for part in shape.parts for ring in part))


def _within(lon: float, lat: float, part: tuple[Ring, ...]) -> bool:
    """Even-odd test over the part's rings (W. R. Franklin, PNPOLY)."""
    inside = False
    for ring in part:
        x, y = np.asarray(ring, np.float64).T
        rising = (y[:-1] > lat) != (y[1:] > lat)
        x0, y0, x1, y1 = (c[rising] for c in (x[:-1], y[:-1], x[1:], y[1:]))
        hits = int((lon < (x1 - x0) * (lat - y0) / (y1 - y0) + x0).sum())
        inside ^= bool(hits & 1)
    return inside


def _distance_to_lines_m(lon: float, lat: float, lines: Iterable[Ring]) -> float:
    starts, ends = _edges(lines)
    from_start = _distances_m(lon, lat, starts)
    from_end = _distances_m(lon, lat, ends)
    nearest_m = float(min(from_start.min(), from_end.min()))
    lengths = np.asarray(GEOD.inv(*starts.T, *ends.T)[2])
    # No point of an edge is nearer than half of what the ends leave over (triangle inequality);
    # straight in lon/lat is a little longer than the geodesic, hence the 1 %.
    hopeful = (from_start + from_end - lengths * 1.01) / 2 < nearest_m
    if not hopeful.any():
        return nearest_m
    return min(nearest_m, _nearest_on_edges_m(lon, lat, starts[hopeful], ends[hopeful]))


def _edges(lines: Iterable[Ring]) -> tuple[F64, F64]:
    """All edges, the long ones cut so that the distance to a point has one minimum on each."""
    starts, ends = [], []
    for line in lines:
        points = np.asarray(line, np.float64)
        if np.abs(np.diff(points, axis=0)).max() > limits.EDGE_DEG_MAX:
            dense = shapely.segmentize(shapely.linestrings(points), limits.EDGE_DEG_MAX)
            points = shapely.get_coordinates(dense)
        starts.append(points[:-1])
        ends.append(points[1:])
    return np.concatenate(starts), np.concatenate(ends)


def _distances_m(lon: float, lat: float, points: F64) -> F64:
    count = len(points)
    there = GEOD.inv(np.full(count, lon), np.full(count, lat), points[:, 0], points[:, 1])
    return np.asarray(there[2])


def _nearest_on_edges_m(lon: float, lat: float, starts: F64, ends: F64) -> float:
    """Golden-section search for the nearest point of every edge at once, then a straight foot."""

    def along_m(share: F64) -> F64:
        return _distances_m(lon, lat, starts + (ends - starts) * share[:, None])

    ratio = (math.sqrt(5) - 1) / 2
    low, high = np.zeros(len(starts)), np.ones(len(starts))
    left, right = high - ratio, low + ratio
    left_m, right_m = along_m(left), along_m(right)
    for _ in range(limits.GOLDEN_STEPS):
        nearer = left_m < right_m
        low, high = np.where(nearer, low, left), np.where(nearer, right, high)
        kept, kept_m = np.where(nearer, left, right), np.where(nearer, left_m, right_m)
        fresh = low + high - kept
        fresh_m = along_m(fresh)
        before = kept < fresh
        left, right = np.where(before, kept, fresh), np.where(before, fresh, kept)
        left_m, right_m = np.where(before, kept_m, fresh_m), np.where(before, fresh_m, kept_m)
    foot_m = _feet_m(lon, lat, starts, ends, low, high)
    return float(np.minimum(foot_m, np.minimum(left_m, right_m)).min())


def _feet_m(lon: float, lat: float, starts: F64, ends: F64, low: F64, high: F64) -> F64:
    """Distances to short stretches of edges, straight in the plane of azimuth and distance."""
    x0, y0 = _polar_plane(lon, lat, starts + (ends - starts) * low[:, None])
    x1, y1 = _polar_plane(lon, lat, starts + (ends - starts) * high[:, None])
    dx, dy = x1 - x0, y1 - y0
    length2 = dx**2 + dy**2
    share = np.clip(-(x0 * dx + y0 * dy) / np.where(length2 == 0, 1.0, length2), 0.0, 1.0)
    return np.hypot(x0 + share * dx, y0 + share * dy)


def _polar_plane(lon: float, lat: float, points: F64) -> tuple[F64, F64]:
    count = len(points)
    azimuth, _, away_m = GEOD.inv(np.full(count, lon), np.full(count, lat), *points.T)
    return away_m * np.sin(np.radians(azimuth)), away_m * np.cos(np.radians(azimuth))


# -- outlines ----------------------------------------------------------------------------------


def outline(shape: Shape, *, arc_points: int = limits.ARC_POINTS) -> Area:
    """The shape as a polygon for maps; its error is in docs/reference/geometry-errors.md.

    Tracking never uses it. `arc_points` is the number of vertices of a full turn. The vertices of
    a circle lie on the circle, so its outline is inside it.
    """
    if isinstance(shape, Area):
        return shape
    if isinstance(shape, Circle):
        return Area(parts=((_circle_ring(shape, arc_points),),))
    return _corridor_outline(shape, arc_points)


def _circle_ring(circle: Circle, arc_points: int) -> Ring:
    # Counter-clockwise, as RFC 7946 wants outer rings.
    azimuth = -np.arange(arc_points + 1) * (360.0 / arc_points)
    centre = np.full(arc_points + 1, circle.lon), np.full(arc_points + 1, circle.lat)
    lon, lat, _ = GEOD.fwd(*centre, azimuth, np.full(arc_points + 1, circle.radius_m))
    return _ring(_unrolled(np.column_stack((lon, lat)), circle.lon))


def _unrolled(loop: F64, near_lon: float) -> F64:
    """A closed loop on the globe as a closed ring in lon/lat, round the pole if the loop is."""
    loop = loop.copy()
    loop[:, 0] = np.unwrap(loop[:, 0], period=360)
    loop[-1, 1] = loop[0, 1]
    turn = loop[-1, 0] - loop[0, 0]
    if abs(turn) > 180:
        pole = math.copysign(90.0, loop[:, 1].mean())
        corners = ((loop[-1, 0], pole), (loop[0, 0], pole), tuple(loop[0]))
        loop = np.vstack((loop, corners))
        near_lon = 0.0
    else:
        loop[-1, 0] = loop[0, 0]
    middle = (loop[:, 0].min() + loop[:, 0].max()) / 2
    loop[:, 0] += 360 * round((near_lon - middle) / 360)
    return loop


def _ring(points: F64) -> Ring:
    """A ring as values, its westernmost longitude within -180..180."""
    shift = -360.0 * math.floor((float(points[:, 0].min()) + 180) / 360)
    return tuple((float(lon) + shift, float(lat)) for lon, lat in points)


def _corridor_outline(corridor: Corridor, arc_points: int) -> Area:
    pieces = [
        _buffered(chunk, corridor.half_width_m, arc_points) for chunk in _chunks(corridor.line)
    ]
    merged = shapely.union_all(pieces)
    return Area(
        parts=tuple(
            _same_turn([shapely.get_coordinates(ring) for ring in _rings_of(polygon)])
            for polygon in shapely.get_parts(shapely.orient_polygons(merged))
        )
    )


def _rings_of(polygon: shapely.Polygon) -> list[shapely.LinearRing]:
    return [polygon.exterior, *polygon.interiors]


def _same_turn(rings: list[F64]) -> tuple[Ring, ...]:
    shift = -360.0 * math.floor((float(rings[0][:, 0].min()) + 180) / 360)
    return tuple(tuple((float(x) + shift, float(y)) for x, y in ring) for ring in rings)


def _chunks(line: Ring) -> list[F64]:
    """The line in stretches short enough for one plane, each starting where the last one ends."""
    dense = shapely.segmentize(shapely.linestrings(line), limits.OUTLINE_STEP_DEG)
    points = shapely.get_coordinates(dense)
    steps = np.asarray(GEOD.inv(*points[:-1].T, *points[1:].T)[2])
    chunk = (np.cumsum(steps) // limits.OUTLINE_CHUNK_M).astype(np.int64)
    borders = np.flatnonzero(np.diff(chunk)) + 1
    return [
        points[first : last + 1]
        for first, last in zip((0, *borders), (*borders, len(points) - 1), strict=True)
    ]


def _buffered(chunk: F64, half_width_m: float, arc_points: int) -> shapely.Geometry:
    """The neighbourhood of a stretch, made in the azimuthal equidistant plane of its middle."""
    lon, lat = chunk[len(chunk) // 2].tolist()
    plane = _plane(round(wrapped(lon), 2), round(lat, 2))
    line = np.column_stack(plane.transform(chunk[:, 0], chunk[:, 1]))
    around = shapely.buffer(_legs(line), half_width_m, quad_segs=max(1, arc_points // 4))
    around = shapely.segmentize(around, max(limits.OUTLINE_STEP_M, half_width_m / 16))
    outer, *holes = (
        shapely.polygons(_on_globe(plane, shapely.get_coordinates(ring), lon))
        for ring in _rings_of(around)
    )
    return shapely.difference(outer, shapely.union_all(holes)) if holes else outer


def _legs(line: F64) -> shapely.MultiLineString:
    """The line cut where it turns back: GEOS loses ground when it buffers a line folded in two."""
    steps = np.diff(line, axis=0)
    steps = steps / np.maximum(np.hypot(*steps.T), 1e-9)[:, None]
    folds = np.flatnonzero((steps[:-1] * steps[1:]).sum(axis=1) < 0) + 1
    legs = zip((0, *folds), (*folds, len(line) - 1), strict=True)
    return shapely.multilinestrings([shapely.linestrings(line[a : b + 1]) for a, b in legs])


def _on_globe(plane: pyproj.Transformer, loop: F64, near_lon: float) -> F64:
    back = plane.transform(loop[:, 0], loop[:, 1], direction="INVERSE")
    return _unrolled(np.column_stack(back), near_lon)


@functools.lru_cache(maxsize=limits.PLANES_KEPT)
def _plane(lon: float, lat: float) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(
        "EPSG:4326",
        f"+proj=aeqd +lon_0={lon} +lat_0={lat} +datum=WGS84 +units=m",
        always_xy=True,
    )
