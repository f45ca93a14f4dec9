"""Compiled geometry: free functions over numbers and flat arrays. The only module with numba.

Angles are degrees, distances metres on WGS84, edges rows (xa, ya, xb, yb). Every function also
runs uncompiled, as plain Python (NUMBA_DISABLE_JIT=1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numba.extending
import numpy as np

from geofence.columns import F64, I32

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile `function` at first use, cached on disk; it gives up the interpreter lock."""
    compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return cast(Function, compiled)


def inlined(function: Function) -> Function:
    """Compile a function into its callers: dozens of array arguments cost more than the work."""
    wrap: Any = numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
    compiled: Any = wrap(function)
    return cast(Function, compiled)


def _borrowed(typing: Any, array: Any) -> Any:  # noqa: ARG001
    """Type and lower `borrowed`: the same array struct, its owner left out."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        owner: Any = numba.types.MemInfoPointer
        view.meminfo = context.get_constant_null(owner(numba.types.voidptr))
        return view._getvalue()

    return array(array), lower


def _same(array: Any) -> Any:
    return array


_CONFIG: Any = numba.config

# Inside a kernel: the same array without its reference count. Arrays handed from kernel to kernel
# cost an atomic increment and decrement each time; the entry's own arguments keep them alive.
borrowed: Any = _same if _CONFIG.DISABLE_JIT else numba.extending.intrinsic(_borrowed)


A_M = 6_378_137.0
F = 1 / 298.257223563
B_M = A_M * (1 - F)
E2 = F * (2 - F)
RAD = math.pi / 180

# Below this distance and latitude the mid-latitude formula is off by less than 0.2 mm.
SHORT_M = 1_500.0
SHORT_LAT = 75.0


@inlined
def metres_per_degree(lat: float) -> tuple[float, float]:
    """Return (east, north) metres in a degree at `lat`, from the WGS84 radii of curvature."""
    s = math.sin(lat * RAD)
    w = 1 - E2 * s * s
    n = A_M / math.sqrt(w)
    return RAD * n * math.cos(lat * RAD), RAD * n * (1 - E2) / w


@inlined
def wrapped(degrees: float) -> float:
    """Return a difference of longitudes in [-180, 180]."""
    return float(degrees - 360.0 * np.rint(degrees / 360.0))


@kernel
def sphere_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the distance on the mean sphere (haversine): within 0.6 % of the geodesic."""
    a = math.sin((lat2 - lat1) * RAD / 2)
    b = math.sin((lon2 - lon1) * RAD / 2)
    h = a * a + math.cos(lat1 * RAD) * math.cos(lat2 * RAD) * b * b
    return 2 * 6_371_008.8 * math.asin(min(1.0, math.sqrt(h)))


@kernel
def vincenty_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the geodesic by Vincenty's inverse formula (Survey Review XXIII, 1975).

    Good to 0.1 mm; near the antipode, where it does not converge, the sphere's value.
    """
    big_l = wrapped(lon2 - lon1) * RAD
    u1 = math.atan((1 - F) * math.tan(lat1 * RAD))
    u2 = math.atan((1 - F) * math.tan(lat2 * RAD))
    su1, cu1, su2, cu2 = math.sin(u1), math.cos(u1), math.sin(u2), math.cos(u2)
    lam = big_l
    for _ in range(60):
        sl, cl = math.sin(lam), math.cos(lam)
        p, q = cu2 * sl, cu1 * su2 - su1 * cu2 * cl
        ss = math.sqrt(p * p + q * q)
        if ss == 0.0:
            return 0.0
        cs = su1 * su2 + cu1 * cu2 * cl
        sigma = math.atan2(ss, cs)
        sa = cu1 * cu2 * sl / ss
        ca2 = 1 - sa * sa
        c2m = cs - 2 * su1 * su2 / ca2 if ca2 > 1e-12 else 0.0
        c = F / 16 * ca2 * (4 + F * (4 - 3 * ca2))
        before = lam
        lam = big_l + (1 - c) * F * sa * (sigma + c * ss * (c2m + c * cs * (2 * c2m * c2m - 1)))
        if abs(lam - before) < 1e-13:
            k = ca2 * (A_M * A_M - B_M * B_M) / (B_M * B_M)
            big_a = 1 + k / 16384 * (4096 + k * (-768 + k * (320 - 175 * k)))
            big_b = k / 1024 * (256 + k * (-128 + k * (74 - 47 * k)))
            d = cs * (2 * c2m * c2m - 1) - big_b / 6 * c2m * (4 * ss * ss - 3) * (4 * c2m * c2m - 3)
            return B_M * big_a * (sigma - big_b * ss * (c2m + big_b / 4 * d))
    return sphere_m(lon1, lat1, lon2, lat2)


@kernel
def geodesic_m(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the geodesic distance, to 0.2 mm.

    Short distances by the mid-latitude formula (Bomford, Geodesy), others by Vincenty's.
    """
    mid = (lat1 + lat2) / 2
    if abs(mid) < SHORT_LAT and abs(lat2 - lat1) < 0.02:
        east, north = metres_per_degree(mid)
        x, y = wrapped(lon2 - lon1) * east, (lat2 - lat1) * north
        d = math.sqrt(x * x + y * y)
        if d < SHORT_M:
            return d
    return vincenty_m(lon1, lat1, lon2, lat2)


@inlined
def closest_on_edge(
    lon: float, lat: float, east: float, north: float, edges: F64, e: int
) -> tuple[float, float]:
    """Return (distance, share along) from a point to edge `e`, in the point's local plane."""
    ax, ay = (edges[e, 0] - lon) * east, (edges[e, 1] - lat) * north
    bx, by = (edges[e, 2] - lon) * east, (edges[e, 3] - lat) * north
    dx, dy = bx - ax, by - ay
    squared = dx * dx + dy * dy
    t = 0.0
    if squared > 0.0:
        t = min(1.0, max(0.0, -(ax * dx + ay * dy) / squared))
    x, y = ax + t * dx, ay + t * dy
    return math.sqrt(x * x + y * y), t


@kernel
def edges_m(
    lon: float, lat: float, edges: F64, boxes: F64, start: int, count: int, enough_m: float
) -> float:
    """Return the distance to the nearest of `count` edges from `start` on.

    `boxes[k]` bounds edges 32 k to 32 k + 31, relative to row 0; it stops looking once
    something at most `enough_m` away is found. Local plane of the point: use it near the edge.
    """
    east, north = metres_per_degree(lat)
    best = np.inf
    for k in range(start >> 5, (start + count + 31) >> 5):
        x = max(boxes[k, 0] - lon, lon - boxes[k, 2], 0.0) * east
        y = max(boxes[k, 1] - lat, lat - boxes[k, 3], 0.0) * north
        if x * x + y * y >= best * best:
            continue
        for e in range(max(start, k << 5), min(start + count, (k + 1) << 5)):
            d, _ = closest_on_edge(lon, lat, east, north, edges, e)
            if d < best:
                best = d
                if best <= enough_m:
                    return best
    return best


@kernel
def line_m(lon: float, lat: float, edges: F64, start: int, count: int) -> float:
    """Return the distance to a polyline: the nearest place in the local plane, then geodesic."""
    east, north = metres_per_degree(lat)
    best, at, share = np.inf, start, 0.0
    for e in range(start, start + count):
        d, t = closest_on_edge(lon, lat, east, north, edges, e)
        if d < best:
            best, at, share = d, e, t
    x = edges[at, 0] + share * (edges[at, 2] - edges[at, 0])
    y = edges[at, 1] + share * (edges[at, 3] - edges[at, 1])
    return geodesic_m(lon, lat, x, y)


@inlined
def left_of(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> float:
    """Return a number that is positive where (x, y) lies left of the line from a to b."""
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax)


@kernel
def crossings_odd(
    px: float, py: float, rx: float, ry: float, edges: F64, ids: I32, start: int, end: int
) -> bool:
    """Return whether the segment from p to r crosses an odd number of the edges `ids`.

    A vertex on the segment's line counts as on its right, in both of its edges, so that chains
    never lose or double a crossing.
    """
    odd = False
    for k in range(start, end):
        e = ids[k]
        ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        if (left_of(px, py, rx, ry, ax, ay) > 0) != (left_of(px, py, rx, ry, bx, by) > 0) and (
            left_of(ax, ay, bx, by, px, py) > 0
        ) != (left_of(ax, ay, bx, by, rx, ry) > 0):
            odd = not odd
    return odd


@kernel
def edge_meets_box(
    ax: float, ay: float, bx: float, by: float, x0: float, y0: float, x1: float, y1: float
) -> bool:
    """Return whether an edge meets a box (separating axes); touching counts."""
    if max(ax, bx) < x0 or min(ax, bx) > x1 or max(ay, by) < y0 or min(ay, by) > y1:
        return False
    dx, dy = bx - ax, by - ay
    cx, cy, hx, hy = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2
    return abs(dx * (cy - ay) - dy * (cx - ax)) <= (abs(dx) * hy + abs(dy) * hx) * (1 + 1e-9)


@kernel
def bound_edges(edges: F64, boxes: F64, start: int, count: int) -> None:
    """Widen the boxes of 32 edges each to hold `count` edges from `start` on."""
    for e in range(start, start + count):
        k = e >> 5
        x0, x1 = min(edges[e, 0], edges[e, 2]), max(edges[e, 0], edges[e, 2])
        y0, y1 = min(edges[e, 1], edges[e, 3]), max(edges[e, 1], edges[e, 3])
        if e & 31 == 0:
            boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3] = x0, y0, x1, y1
        else:
            boxes[k, 0], boxes[k, 1] = min(boxes[k, 0], x0), min(boxes[k, 1], y0)
            boxes[k, 2], boxes[k, 3] = max(boxes[k, 2], x1), max(boxes[k, 3], y1)


@kernel
def touch_area(
    ax: float, ay: float, bx: float, by: float, edges: F64, start: int, count: int
) -> float:
    """Return the share of the way from a to b at which an area's edge is first met; else -1."""
    first = -1.0
    for e in range(start, start + count):
        cx, cy, dx, dy = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        if (left_of(ax, ay, bx, by, cx, cy) > 0) == (left_of(ax, ay, bx, by, dx, dy) > 0):
            continue
        p, q = left_of(cx, cy, dx, dy, ax, ay), left_of(cx, cy, dx, dy, bx, by)
        if (p > 0) != (q > 0):
            share = p / (p - q)
            if first < 0.0 or share < first:
                first = share
    return first


@kernel
def round_m(lon: float, lat: float, round_: F64, edges: F64, start: int, count: int) -> float:
    """Return the distance to a circle's centre, or to a corridor's line when it has edges."""
    if count > 0:
        return line_m(lon, lat, edges, start, count)
    return geodesic_m(lon, lat, round_[0], round_[1])


@kernel
def touch_round(
    ax: float, ay: float, bx: float, by: float, round_: F64, edges: F64, start: int, count: int
) -> float:
    """Return the share of the way from a to b at which a circle or corridor is first met; else -1.

    The way is straight in lon and lat; both ends are outside.
    """
    east, north = metres_per_degree((ay + by) / 2)
    dx, dy = (bx - ax) * east, (by - ay) * north
    squared = dx * dx + dy * dy
    if squared == 0.0:
        return -1.0
    near = 2.0
    for k in range(max(1, 3 * count)):
        e = start + k // 3
        if count == 0:
            share = (wrapped(round_[0] - ax) * east * dx + (round_[1] - ay) * north * dy) / squared
        elif k % 3 < 2:
            cx, cy = edges[e, 2 * (k % 3)], edges[e, 2 * (k % 3) + 1]
            share = ((cx - ax) * east * dx + (cy - ay) * north * dy) / squared
        else:
            p = left_of(edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3], ax, ay)
            q = left_of(edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3], bx, by)
            share = p / (p - q) if p != q else -1.0
        if 0.0 < share < near and share < 1.0:
            x, y = ax + share * (bx - ax), ay + share * (by - ay)
            if round_m(x, y, round_, edges, start, count) < round_[2]:
                near = share
    if near > 1.0:
        return -1.0
    low = 0.0
    for _ in range(30):
        mid = (low + near) / 2
        x, y = ax + mid * (bx - ax), ay + mid * (by - ay)
        if round_m(x, y, round_, edges, start, count) < round_[2]:
            near = mid
        else:
            low = mid
    return near
