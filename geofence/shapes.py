"""The shapes a zone can have, as plain values in WGS84 degrees.

Containment is planar in lon/lat as RFC 7946 has it, boundary excluded; circles and corridors are
geodesic. Coordinates are (lon, lat).
"""

from __future__ import annotations

import msgspec

Ring = tuple[tuple[float, float], ...]


class Circle(msgspec.Struct, frozen=True, kw_only=True, tag="circle"):
    """All points at most `radius_m` (geodesic, metres) from the centre."""

    lon: float
    lat: float
    radius_m: float


class Corridor(msgspec.Struct, frozen=True, kw_only=True, tag="corridor"):
    """All points at most `half_width_m` (geodesic, metres) from a line of two or more vertices.

    A line that crosses the antimeridian carries longitudes that run on past 180.
    """

    line: Ring
    half_width_m: float


class Area(msgspec.Struct, frozen=True, kw_only=True, tag="area"):
    """A multipolygon: each part is an outer ring followed by its holes; rings are closed.

    A part that crosses the antimeridian carries longitudes that run on past 180 (as 179, 181), so
    that every edge is the short one.
    """

    parts: tuple[tuple[Ring, ...], ...]


Shape = Circle | Corridor | Area


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """A shape with the settings of its tracking. None means the default that design gives.

    exit_margin_m: how far beyond the edge a fix must be to leave (default max(10 % of the radius,
        20 m); the radius of an area is that of the circle of equal area, that of a corridor its
        half-width).
    accuracy_ceiling_m: a fix less accurate than this never enters (default max(100 m, radius / 2)).
    confirm_ms: presence must be confirmed by a fix at least this long after the first inside fix,
        all between them inside. exit_confirm_ms: the same for leaving.
    dwells_ms: the instants after enter at which a dwell transition is due, ascending.
    report_cross: report `cross` when two fixes outside have the zone between them.
    """

    id: str
    shape: Shape
    exit_margin_m: float | None = None
    accuracy_ceiling_m: float | None = None
    confirm_ms: int = 0
    exit_confirm_ms: int = 0
    dwells_ms: tuple[int, ...] = ()
    report_cross: bool = False
