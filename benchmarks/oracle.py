"""Who entered and who left, by shapely's own predicate: what every contestant is held to."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from geofence.columns import F64, I64


class Oracle:
    """Differences of consecutive membership sets; planar, boundary excluded."""

    def __init__(self, rings: list[F64]) -> None:
        """rings: one open ring a zone, [k, 2] lon/lat degrees."""
        self.zones = len(rings)
        self._tree = shapely.STRtree(polygons(rings))
        self._before: I64 = np.empty(0, np.int64)

    def step(self, fixes: F64) -> tuple[I64, I64]:
        """Pairs (visitor * zones + zone) that entered, and that left, ascending."""
        who, where = self._tree.query(shapely.points(fixes), predicate="within")
        now = np.sort(who.astype(np.int64) * self.zones + where)
        before, self._before = self._before, now
        return difference(now, before), difference(before, now)


def polygons(rings: list[F64]) -> NDArray[np.object_]:
    """One shapely polygon a ring."""
    return np.asarray(shapely.polygons([shapely.linearrings(ring) for ring in rings]))


def difference(some: I64, others: I64) -> I64:
    """What of `some` is not in `others`, both ascending; np.setdiff1d would sort them again."""
    if not len(others):
        return some
    at = np.minimum(np.searchsorted(others, some), len(others) - 1)
    fresh: I64 = some[others[at] != some]
    return fresh
