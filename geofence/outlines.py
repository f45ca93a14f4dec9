"""Shapes as the index and the exit test take them: flat edges, bounding boxes, default settings."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geofence import geodesy, limits
from geofence.cells import CIRCLE, CORRIDOR, POLYGON
from geofence.columns import F64
from geofence.errors import ZoneInvalid
from geofence.index import Outline
from geofence.kernels import metres_per_degree
from geofence.shapes import Area, Circle, Ring, Zone

Box = tuple[float, float, float, float]


class Figure(NamedTuple):
    """A zone's shape made flat.

    outline: for the index; edges: rows in the zone's own frame of longitudes; box: lon and lat
    bounds in that frame; radius_m: the radius that default settings are made of.
    """

    outline: Outline
    edges: F64
    box: Box
    radius_m: float


def figure_of(zone: Zone) -> Figure:
    """Return the zone's shape made flat.

    Raises:
        ZoneInvalid: a coordinate or size cannot be.
    """
    shape = zone.shape
    if isinstance(shape, Circle):
        return _circle(zone.id, shape)
    if isinstance(shape, Area):
        rings = [ring for part in shape.parts for ring in part]
        edges = _edges(zone.id, [_vertices(zone.id, ring, 3) for ring in rings], closed=True)
        return _flat(zone.id, POLYGON, edges, 0.0, geodesy.radius_m(shape))
    width = shape.half_width_m
    if not 0 < width <= limits.HALF_WIDTH_M_MAX:
        raise ZoneInvalid(zone.id, "half_width_m", f"must be in (0, {limits.HALF_WIDTH_M_MAX:g}]")
    edges = _edges(zone.id, [_vertices(zone.id, shape.line, 2)], closed=False)
    return _flat(zone.id, CORRIDOR, edges, width, width)


def _vertices(zone: str, ring: Ring, least: int) -> F64:
    try:
        v = np.array(ring, np.float64)
    except ValueError:
        raise ZoneInvalid(zone, "coordinates", "must be pairs of lon and lat") from None
    if v.ndim != 2 or v.shape[1] != 2 or len(v) < least:
        raise ZoneInvalid(zone, "coordinates", f"at least {least} pairs of lon and lat")
    # Written so that NaN fails.
    if not (abs(v[:, 0]).max() <= 540 and abs(v[:, 1]).max() <= 90):
        raise ZoneInvalid(zone, "coordinates", "longitude or latitude out of range")
    return v


def _edges(zone: str, lines: list[F64], *, closed: bool) -> F64:
    parts = []
    for v in lines:
        if closed and (v[0] != v[-1]).any():
            v = np.concatenate([v, v[:1]])
        parts.append(np.concatenate([v[:-1], v[1:]], axis=1))
    edges = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if len(edges) > limits.EDGES_PER_ZONE_MAX:
        raise ZoneInvalid(
            zone, "coordinates", f"more than {limits.EDGES_PER_ZONE_MAX} edges: simplify the shape"
        )
    if closed:
        edges = edges[(edges[:, 0] != edges[:, 2]) | (edges[:, 1] != edges[:, 3])]
        if len(edges) < 3:
            raise ZoneInvalid(zone, "coordinates", "an area needs three different points")
    return np.ascontiguousarray(edges)


def _flat(zone: str, kind: int, edges: F64, width_m: float, radius_m: float) -> Figure:
    low, high = edges.min(axis=0), edges.max(axis=0)
    x0, y0 = min(low[0], low[2]), min(low[1], low[3])
    x1, y1 = max(high[0], high[2]), max(high[1], high[3])
    if x1 - x0 > 360.0:
        raise ZoneInvalid(zone, "coordinates", "wider than the world")
    if width_m > 0:
        if max(abs(y0), abs(y1)) > 85:
            raise ZoneInvalid(zone, "line", "corridors end at 85 degrees of latitude")
        dy = width_m / 110_000 * 1.08
        dx = width_m / metres_per_degree(max(abs(y0), abs(y1)))[0] * 1.1
        x0, y0, x1, y1 = x0 - dx, y0 - dy, x1 + dx, y1 + dy
    box = (float(x0), float(y0), float(x1), float(y1))
    shifted, boxes = [], []
    for shift in (-360.0, 0.0, 360.0):
        if x0 + shift < 180.0 and x1 + shift > -180.0:
            shifted.append(edges + np.array([shift, 0.0, shift, 0.0]) if shift else edges)
            boxes.append((max(-180.0, x0 + shift), max(-90.0, y0),
                          min(180.0, x1 + shift), min(90.0, y1)))  # fmt: skip
    index_edges = shifted[0] if len(shifted) == 1 else np.concatenate(shifted)
    outline = Outline(kind, index_edges, (0.0, 0.0, width_m), tuple(boxes))
    return Figure(outline, edges, box, radius_m)


def _circle(zone: str, shape: Circle) -> Figure:
    lon, lat, radius_m = shape.lon, shape.lat, shape.radius_m
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ZoneInvalid(zone, "centre", "longitude or latitude out of range")
    if not 0 < radius_m <= limits.RADIUS_M_MAX:
        raise ZoneInvalid(zone, "radius_m", f"must be in (0, {limits.RADIUS_M_MAX:g}]")
    # The sphere's bounds, one per cent wider: the ellipsoid differs by less.
    angle = radius_m / 6_350_000 * 1.01 + 1e-9
    dy = math.degrees(angle)
    y0, y1 = lat - dy, lat + dy
    boxes: tuple[Box, ...]
    if y0 <= -90 or y1 >= 90 or angle >= math.pi / 2:
        y0, y1 = max(-90.0, y0), min(90.0, y1)
        box = (-180.0, y0, 180.0, y1)
        boxes = (box,)
    else:
        dx = math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(lat)))))
        dx = dx * 1.01 + 1e-7
        box = (lon - dx, y0, lon + dx, y1)
        if box[0] < -180:
            boxes = ((-180.0, y0, box[2], y1), (box[0] + 360, y0, 180.0, y1))
        elif box[2] > 180:
            boxes = ((-180.0, y0, box[2] - 360, y1), (box[0], y0, 180.0, y1))
        else:
            boxes = (box,)
    outline = Outline(CIRCLE, np.zeros((0, 4)), (lon, lat, radius_m), boxes)
    return Figure(outline, outline.edges, box, radius_m)
