"""GeoJSON geometry, as decoded JSON, into shapes: every fault found and placed, nothing guessed.

`parse_shape` accepts what is right and lists what is not; `repair` mends what has one sensible
reading (an open ring, a ring that crosses itself) and says what it changed. Coordinates are kept
to the last digit. Fields in problems are paths such as `geometry.coordinates[0][3]`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NoReturn, TypeGuard, cast

import msgspec
import numpy as np
import shapely

from geofence import limits
from geofence.columns import F64
from geofence.errors import GeometryInvalid, Problem
from geofence.geodesy import area_m2
from geofence.shapes import Area, Circle, Corridor, Ring, Shape

POINT, LINE, POLYGON, MULTI_POLYGON = "Point", "LineString", "Polygon", "MultiPolygon"
_TYPES = f"{POLYGON}, {MULTI_POLYGON}, {POINT} with radius_m, {LINE} with half_width_m"
_PLACED = re.compile(r"(?P<reason>[^\[]+)\[(?P<lon>\S+) (?P<lat>\S+)")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that `repair` changed: the field as a path, and what was done to it."""

    field: str
    change: str


def parse_shape(
    geometry: object,
    *,
    radius_m: float | None = None,
    half_width_m: float | None = None,
    where: str = "geometry",
) -> Shape:
    """The shape that a GeoJSON geometry describes.

    A Point needs `radius_m` (metres) and is a circle; a LineString needs `half_width_m` and is a
    corridor. `where` names the geometry in problems; the two lengths are named as its siblings.
    Edges longer than 180 degrees of longitude are read the short way, over the antimeridian.

    Raises GeometryInvalid with all problems found, up to limits.PROBLEMS_MAX.
    """
    reader = _Reader(where)
    shape = reader.shape(geometry, radius_m, half_width_m)
    if shape is None or reader.problems:
        reader.refuse()
    return shape


def repair(
    geometry: object,
    *,
    radius_m: float | None = None,
    half_width_m: float | None = None,
    where: str = "geometry",
) -> tuple[Shape, tuple[Change, ...]]:
    """The shape after closing open rings and untangling areas that cross themselves.

    No change is made to a geometry that `parse_shape` accepts. Raises GeometryInvalid where
    there is no sensible reading (a number that is none, a place off the globe, nothing left).
    """
    reader = _Reader(where, mends=True)
    shape = reader.shape(geometry, radius_m, half_width_m)
    if shape is None or reader.problems:
        reader.refuse()
    return shape, tuple(reader.changes)


def geometry_of(shape: Shape) -> dict[str, object]:
    """The GeoJSON geometry that `parse_shape` reads back as this shape; radii are not in it."""
    if isinstance(shape, Circle):
        return {"type": POINT, "coordinates": [shape.lon, shape.lat]}
    if isinstance(shape, Corridor):
        return {"type": LINE, "coordinates": _positions(shape.line)}
    parts = [[_positions(ring) for ring in part] for part in shape.parts]
    if len(parts) == 1:
        return {"type": POLYGON, "coordinates": parts[0]}
    return {"type": MULTI_POLYGON, "coordinates": parts}


def _positions(ring: Ring) -> list[list[float]]:
    return [[lon - 360 if lon > 180 else lon, lat] for lon, lat in ring]


class _Full(Exception):
    """As many problems are known as are reported."""


class _Reader:
    """Reads one geometry and gathers its problems, and with `mends` its changes."""

    def __init__(self, where: str, *, mends: bool = False) -> None:
        self.where = where
        self.mends = mends
        self.problems: list[Problem] = []
        self.changes: list[Change] = []

    def problem(
        self, field: str, reason: str, lon: float | None = None, lat: float | None = None
    ) -> None:
        self.problems.append(Problem(field=field, reason=reason, lon=lon, lat=lat))
        if len(self.problems) >= limits.PROBLEMS_MAX:
            raise _Full

    def refuse(self) -> NoReturn:
        raise GeometryInvalid(tuple(self.problems))

    def shape(
        self, geometry: object, radius_m: float | None, half_width_m: float | None
    ) -> Shape | None:
        try:
            return self._shape(geometry, radius_m, half_width_m)
        except _Full:
            return None

    def _shape(
        self, geometry: object, radius_m: float | None, half_width_m: float | None
    ) -> Shape | None:
        if not isinstance(geometry, dict):
            self.problem(self.where, "must be a GeoJSON geometry object")
            return None
        kind, coordinates = geometry.get("type"), geometry.get("coordinates")
        if kind not in (POINT, LINE, POLYGON, MULTI_POLYGON):
            self.problem(f"{self.where}.type", f"{_shown(kind)} is not one of: {_TYPES}")
            return None
        self._extra("radius_m", radius_m, POINT, kind)
        self._extra("half_width_m", half_width_m, LINE, kind)
        field = f"{self.where}.coordinates"
        if not _is_list(coordinates) or not coordinates:
            self.problem(field, "must be an array of positions that is not empty")
            return None
        if kind == POINT:
            return self._circle(coordinates, field, radius_m)
        if kind == LINE:
            return self._corridor(coordinates, field, half_width_m)
        if kind == POLYGON:
            return self._area([coordinates], [field])
        return self._area(coordinates, [f"{field}[{i}]" for i in range(len(coordinates))])

    # -- lengths and positions -----------------------------------------------------------------

    def _sibling(self, name: str) -> str:
        parent, dot, _ = self.where.rpartition(".")
        return f"{parent}{dot}{name}"

    def _extra(self, name: str, value: object, kind: str, given: str) -> None:
        if value is not None and kind != given:
            self.problem(self._sibling(name), f"belongs to a {kind}, not to a {given}")

    def _length_m(self, name: str, value: object, maximum_m: float) -> float | None:
        field = self._sibling(name)
        if value is None:
            self.problem(field, "is missing")
        elif not _is_number(value):
            self.problem(field, f"{_shown(value)} is not a finite number of metres")
        elif not limits.LENGTH_M_MIN <= value <= maximum_m:
            span = f"{limits.LENGTH_M_MIN:.0f} m to {maximum_m:.0f} m"
            self.problem(field, f"{_shown(value)} is outside {span}")
        else:
            return float(value)
        return None

    def _position(self, position: object, field: str) -> tuple[float, float] | None:
        if not _is_list(position) or len(position) < 2:
            self.problem(field, "must be a position: [lon, lat]")
            return None
        lon, lat = position[0], position[1]
        if not _is_number(lon):
            self.problem(f"{field}[0]", f"{_shown(lon)} is not a finite number")
            return None
        if not _is_number(lat):
            self.problem(f"{field}[1]", f"{_shown(lat)} is not a finite number")
            return None
        if -180 <= lon <= 180 and -90 <= lat <= 90:
            return float(lon), float(lat)
        if -180 <= lat <= 180 and -90 <= lon <= 90:
            reason = f"[{lon}, {lat}] looks like lat, lon; GeoJSON has lon first"
            self.problem(field, reason, lon=float(lat), lat=float(lon))
        elif not -180 <= lon <= 180:
            self.problem(f"{field}[0]", f"longitude {_shown(lon)} is outside -180 to 180")
        else:
            self.problem(f"{field}[1]", f"latitude {_shown(lat)} is outside -90 to 90")
        return None

    def _line(self, positions: Sequence[object], field: str) -> list[tuple[float, float]] | None:
        known = len(self.problems)
        read = [self._position(p, f"{field}[{i}]") for i, p in enumerate(positions)]
        return None if len(self.problems) > known else cast("list[tuple[float, float]]", read)

    def _fits(self, count: int, field: str) -> bool:
        if count > limits.VERTICES_MAX:
            self.problem(
                field, f"{count} vertices; a zone may have {limits.VERTICES_MAX}: simplify it"
            )
        return count <= limits.VERTICES_MAX

    # -- circles and corridors -----------------------------------------------------------------

    def _circle(
        self, position: Sequence[object], field: str, radius_m: float | None
    ) -> Circle | None:
        radius = self._length_m("radius_m", radius_m, limits.CIRCLE_RADIUS_M_MAX)
        centre = self._position(position, field)
        if radius is None or centre is None:
            return None
        return Circle(lon=centre[0], lat=centre[1], radius_m=radius)

    def _corridor(
        self, positions: Sequence[object], field: str, half_width_m: float | None
    ) -> Corridor | None:
        half_width = self._length_m("half_width_m", half_width_m, limits.HALF_WIDTH_M_MAX)
        if not self._fits(len(positions), field):
            return None
        line = self._line(positions, field)
        if line is None:
            return None
        if len(line) < 2 or len(set(line)) < 2:
            self.problem(field, "a line needs two positions that differ")
            return None
        if any(abs(lat) > limits.CORRIDOR_LAT_MAX for _, lat in line):
            reason = f"corridors end at {limits.CORRIDOR_LAT_MAX:g} degrees of latitude"
            self.problem(field, reason)
            return None
        if half_width is None:
            return None
        return Corridor(line=_values(_short_way(np.array(line))), half_width_m=half_width)

    # -- areas ---------------------------------------------------------------------------------

    def _area(self, parts: Sequence[object], fields: list[str]) -> Area | None:
        if not self._countable(parts, fields):
            return None
        read: list[list[F64]] = []
        for part, field in zip(
            cast("Sequence[Sequence[Sequence[object]]]", parts), fields, strict=True
        ):
            rings = [self._read_ring(ring, f"{field}[{i}]") for i, ring in enumerate(part)]
            good = [ring for ring in rings if ring is not None]
            if len(good) == len(rings):
                read.append(self._placed(good, field))
        if self.problems:
            return None
        polygons = [_polygon(part) for part in read]
        if self._tangled(polygons, fields):
            if not self.mends:
                return None
            return self._mended(polygons)
        return self._large_enough(Area(parts=tuple(_part(rings) for rings in read)))

    def _countable(self, parts: Sequence[object], fields: list[str]) -> bool:
        """Whether parts and rings are arrays and few enough, before any position is looked at."""
        known, count = len(self.problems), 0
        for part, field in zip(parts, fields, strict=True):
            if not _is_list(part) or not part:
                self.problem(field, "must be an array of rings that is not empty")
                continue
            for i, ring in enumerate(part):
                if _is_list(ring):
                    count += len(ring)
                else:
                    self.problem(f"{field}[{i}]", "must be a ring: an array of positions")
        return self._fits(count, f"{self.where}.coordinates") and len(self.problems) == known

    def _read_ring(self, positions: Sequence[object], field: str) -> F64 | None:
        ring = self._line(positions, field)
        if ring is None:
            return None
        if ring and ring[0] != ring[-1]:
            if self.mends:
                ring.append(ring[0])
                self.changes.append(Change(field=field, change="closed the ring"))
            else:
                self.problem(field, "the ring is not closed: its last position must be its first")
                return None
        if len(ring) < 4:
            self.problem(field, f"{len(ring)} positions; a closed ring has at least 4")
            return None
        return np.array(ring)

    def _placed(self, rings: list[F64], field: str) -> list[F64]:
        """The rings of one part run the short way, the holes in the turn of their outer ring."""
        placed: list[F64] = []
        for i, ring in enumerate(rings):
            short = _short_way(ring)
            if short[0, 0] != short[-1, 0]:
                # Not closed the short way: it runs round the globe. That is meant where it says so
                # by going from -180 to 180 exactly, as a polar cap in lon/lat does.
                if not _whole_turns_only(ring):
                    self.problem(f"{field}[{i}]", _ROUND_POLE)
                short = ring
            elif _flat(short) and not _flat(ring) and _whole_turns_only(ring):
                short = ring
            if placed:
                outer = placed[0]
                middle = (outer[:, 0].min() + outer[:, 0].max()) / 2
                ours = (short[:, 0].min() + short[:, 0].max()) / 2
                short = short + np.array([360.0 * round((middle - ours) / 360), 0.0])
            placed.append(short)
        return placed

    def _tangled(self, polygons: list[shapely.Polygon], fields: list[str]) -> bool:
        """Whether the area crosses itself or overlaps; each place is a problem, or a change."""
        found = []
        for polygon, field in zip(polygons, fields, strict=True):
            if shapely.convex_hull(polygon).area == 0:
                found.append((field, "the ring has no area"))
            elif not shapely.is_valid(polygon):
                found.append((field, shapely.is_valid_reason(polygon)))
        if not found and len(polygons) > 1:
            whole, field = shapely.multipolygons(polygons), f"{self.where}.coordinates"
            if not shapely.is_valid(whole):
                found.append((field, shapely.is_valid_reason(whole)))
            elif _overlaps_at_180(polygons):
                found.append((field, "parts overlap at the antimeridian"))
        for field, text in found:
            reason, lon, lat = _placed_reason(text)
            if self.mends:
                at = "" if lon is None else f" at {lon}, {lat}"
                self.changes.append(Change(field=field, change=f"untangled: {reason}{at}"))
            else:
                self.problem(field, reason, lon=lon, lat=lat)
        return bool(found)

    def _mended(self, polygons: list[shapely.Polygon]) -> Area | None:
        mended = _untangled(polygons)
        if _overlaps_at_180(mended):
            mended = _untangled([_eastward(polygon) for polygon in mended])
        parts = tuple(
            _part(_westward([shapely.get_coordinates(r) for r in (p.exterior, *p.interiors)]))
            for p in mended
        )
        if not parts:
            self.problem(f"{self.where}.coordinates", "nothing is left of the area when untangled")
            return None
        area = self._large_enough(Area(parts=parts))
        if area is not None:
            text = f"left {len(parts)} part(s) of {area_m2(area):.1f} m2 in all"
            self.changes.append(Change(field=f"{self.where}.coordinates", change=text))
        return area

    def _large_enough(self, area: Area) -> Area | None:
        size_m2 = area_m2(area)
        if size_m2 >= limits.AREA_M2_MIN:
            return area
        self.problem(
            f"{self.where}.coordinates",
            f"the area is {size_m2:.3g} m2; a zone has at least {limits.AREA_M2_MIN:g} m2",
        )
        return None


_ROUND_POLE = (
    "the ring runs round a pole; write it in lon/lat, along latitude 90 or -90 from "
    "longitude -180 to 180"
)


def _is_list(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    return isinstance(value, list | tuple)


def _is_number(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # An int of thousands of digits is a number to JSON, and an overflow to a float.
    return abs(value) < 1e15


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _short_way(line: F64) -> F64:
    """Longitudes that run on, no step longer than 180, the westernmost within -180..180."""
    steps = np.diff(line[:, 0])
    turns = np.where(np.abs(steps) > 180, -360 * np.round(steps / 360), 0.0)
    if not turns.any():
        return line
    lon = line[:, 0] + np.concatenate(([0.0], np.cumsum(turns)))
    lon -= 360 * math.floor((lon.min() + 180) / 360)
    return np.column_stack((lon, line[:, 1]))


def _whole_turns_only(ring: F64) -> bool:
    steps = np.abs(np.diff(ring[:, 0]))
    return bool((steps[steps > 180] == 360).all())


def _flat(ring: F64) -> bool:
    return bool(shapely.convex_hull(shapely.linestrings(ring)).area == 0)


def _polygon(rings: list[F64]) -> shapely.Polygon:
    return shapely.polygons(rings[0], [shapely.linearrings(hole) for hole in rings[1:]] or None)


def _eastward(polygon: shapely.Polygon) -> shapely.Polygon:
    """The polygon with its westernmost longitude within 0..360: the map cut elsewhere."""
    shift = -360 * math.floor(polygon.bounds[0] / 360)
    return shapely.transform(polygon, lambda xy: xy + np.array([shift, 0.0])) if shift else polygon


def _overlaps_at_180(polygons: list[shapely.Polygon]) -> bool:
    """Whether parts overlap that lie a turn apart in lon/lat; parts that touch there may."""
    if all(polygon.bounds[2] <= 180 for polygon in polygons):
        return False
    moved = [_eastward(polygon) for polygon in polygons]
    return bool(shapely.union_all(moved).area < sum(p.area for p in moved) * (1 - 1e-9))


def _westward(rings: list[F64]) -> list[F64]:
    """The rings of a part with the westernmost longitude of the outer one within -180..180."""
    turn = 360 * math.floor((rings[0][:, 0].min() + 180) / 360)
    return [ring - np.array([turn, 0.0]) for ring in rings]


def _untangled(polygons: list[shapely.Polygon]) -> list[shapely.Polygon]:
    whole = shapely.union_all(
        [shapely.make_valid(p, method="structure", keep_collapsed=False) for p in polygons]
    )
    parts = shapely.get_parts(whole).tolist()
    return [p for p in parts if isinstance(p, shapely.Polygon) and not p.is_empty]


def _values(points: F64) -> Ring:
    return tuple((lon, lat) for lon, lat in points.tolist())


def _part(rings: list[F64]) -> tuple[Ring, ...]:
    return tuple(_values(ring) for ring in rings)


def _placed_reason(text: str) -> tuple[str, float | None, float | None]:
    """Reason and place out of GEOS's "Self-intersection[2.1 41.2]"."""
    match = _PLACED.match(text)
    if match is None:
        return text.lower(), None, None
    return match["reason"].strip().lower(), float(match["lon"]), float(match["lat"].rstrip("]"))
