"""The live index of record for zones and places: an R-tree edited in place.

Zones are indexed by the boxes of their shapes, places by their position. What crosses the
antimeridian has a box on either side of it, so every query is asked within -180..180.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping

from rtree.index import Index

from geofence.geodesy import (
    Box,
    boxes,
    boxes_around,
    distance_m,
    distance_to_m,
    wrapped,
)
from geofence.shapes import Shape

Position = tuple[float, float]
"""Longitude and latitude, degrees."""

Item = Shape | Position
"""A zone's shape, or where a place is."""


class ZoneTree:
    """Items by id, found by where they are. Ids are the caller's; answers list each id once.

    An edit costs microseconds to a fraction of a millisecond at 100,000 items and is seen by the
    next query. Not safe to share between threads while one of them edits.
    """

    def __init__(self, items: Mapping[str, Item] | None = None) -> None:
        """Packed at once from `items` if given, which is many times faster than `put` each."""
        self._items: dict[str, Item] = {}
        self._keys: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        self._boxes: dict[str, tuple[Box, ...]] = {}
        self._key_next = 0
        stream = list(self._entries(items or {}))
        self._index = Index(stream) if stream else Index()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __getitem__(self, item_id: str) -> Item:
        return self._items[item_id]

    def put(self, item_id: str, item: Item) -> None:
        """Add an item, or move the one that has this id."""
        self.remove(item_id)
        for key, box, _ in self._entries({item_id: item}):
            self._index.insert(key, box)

    def remove(self, item_id: str) -> bool:
        """Take an item out; whether there was one."""
        if item_id not in self._items:
            return False
        key = self._keys.pop(item_id)
        for box in self._boxes.pop(item_id):
            self._index.delete(key, box)
        del self._ids[key], self._items[item_id]
        return True

    def _entries(self, items: Mapping[str, Item]) -> Iterator[tuple[int, Box, None]]:
        for item_id, item in items.items():
            key, covered = self._key_next, _boxes_of(item)
            self._key_next += 1
            self._items[item_id], self._boxes[item_id] = item, covered
            self._keys[item_id], self._ids[key] = key, item_id
            for box in covered:
                yield key, box, None

    # -- queries -------------------------------------------------------------------------------

    def candidates(self, lon: float, lat: float) -> list[str]:
        """Ids of all items whose box holds the position: those that contain it, and a few more."""
        return self._touching(boxes_around(lon, lat, 0.0))

    def within_bbox(self, west: float, south: float, east: float, north: float) -> list[str]:
        """Ids of all items whose box meets this one, in the order in which they were last put.

        Degrees; west > east is a box over the antimeridian, as in RFC 7946.
        """
        if east - west >= 360:
            return self._touching(((-180.0, south, 180.0, north),))
        west, east = wrapped(west), wrapped(east)
        if west <= east:
            return self._touching(_with_seam((west, south, east, north)))
        return self._touching(((west, south, 180.0, north), (-180.0, south, east, north)))

    def nearest(
        self, lon: float, lat: float, k: int, *, reach_m: float | None = None
    ) -> list[tuple[str, float]]:
        """The k nearest items with their geodesic distances in metres, nearest first.

        0 m from inside a zone; equal distances are ordered by id. With `reach_m`, only those at
        most that far away.
        """
        if k <= 0 or not self._items:
            return []
        lon = wrapped(lon)
        if reach_m is None:
            # Any k items bound the distance of the k-th nearest; those nearest in degrees do it
            # tightly. What the bound's boxes hold is then measured.
            some = set(self._index.nearest((lon, lat, lon, lat), k))
            measured = {self._ids[key]: self._distance_m(lon, lat, self._ids[key]) for key in some}
            # Fewer than k where an item has two boxes: then all items are asked for.
            bound_m = _EVERYWHERE_M if len(some) < k else heapq.nsmallest(k, measured.values())[-1]
        else:
            measured, bound_m = {}, reach_m
        for item_id in self._touching(boxes_around(lon, lat, bound_m)):
            if item_id not in measured:
                measured[item_id] = self._distance_m(lon, lat, item_id)
        within = ((d, item_id) for item_id, d in measured.items() if d <= bound_m)
        return [(item_id, d) for d, item_id in heapq.nsmallest(k, within)]

    def _touching(self, asked: Iterable[Box]) -> list[str]:
        keys = {key for box in asked for key in self._index.intersection(box)}
        return [self._ids[key] for key in sorted(keys)]

    def _distance_m(self, lon: float, lat: float, item_id: str) -> float:
        item = self._items[item_id]
        if isinstance(item, tuple):
            return distance_m(lon, lat, *item)
        return distance_to_m(lon, lat, item)


_EVERYWHERE_M = 3e7
"""More than half the way round the Earth."""


def _boxes_of(item: Item) -> tuple[Box, ...]:
    if isinstance(item, tuple):
        lon, lat = wrapped(item[0]), item[1]
        return _with_seam((lon, lat, lon, lat))
    return boxes(item)


def _with_seam(box: Box) -> tuple[Box, ...]:
    """The box, and where it touches the meridian of 180 degrees, that meridian's other name."""
    west, south, east, north = box
    if west == -180 and east < 180:
        return (box, (180.0, south, 180.0, north))
    if east == 180 and west > -180:
        return (box, (-180.0, south, -180.0, north))
    return (box,)
