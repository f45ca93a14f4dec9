"""The textbook loop: candidates from rtree, a prepared shapely geometry each, sets for visits."""

from __future__ import annotations

import shapely
from rtree.index import Index

from geofence.columns import F64


class RtreePrepared:
    """One point at a time, as a service does that answers each fix by itself."""

    def __init__(self, rings: list[F64]) -> None:
        """rings: one open ring a zone, [k, 2] lon/lat degrees."""
        self.name = "rtree_prepared"
        self._polygons = [shapely.polygons(ring) for ring in rings]
        self._index = Index((i, p.bounds, None) for i, p in enumerate(self._polygons))
        self._inside: list[set[int]] = []
        # A prepared geometry is made at its first use; from bare coordinates it answers faster
        # than from a Point object (22 and 27 us a fix at 10,000 zones).
        for ring, polygon in zip(rings, self._polygons, strict=True):
            shapely.prepare(polygon)
            shapely.contains_xy(polygon, *ring[0])

    def reset(self) -> None:
        """See rivals.port.Matcher."""
        self._inside = []

    def step(self, fixes: F64) -> tuple[int, int]:
        """See rivals.port.Matcher."""
        if not self._inside:
            self._inside = [set() for _ in fixes]
        enters = exits = 0
        for visitor, (lon, lat) in enumerate(fixes.tolist()):
            now = {
                zone
                for zone in self._index.intersection((lon, lat, lon, lat))
                if shapely.contains_xy(self._polygons[zone], lon, lat)
            }
            before = self._inside[visitor]
            if now != before:
                enters += len(now - before)
                exits += len(before - now)
                self._inside[visitor] = now
        return enters, exits
