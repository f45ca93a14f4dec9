"""The zones nearest to a phone, as circles that it can watch by itself.

A phone watches few circles, so it is given the nearest ones and, around itself, the circle at whose
exit to ask again: before that it cannot be in a zone that it was not told of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from content.texts import pick
from engine import limits
from engine.effects import Effects
from engine.motor import Motor
from geofence.geodesy import covering_circle
from geofence.shapes import Circle, Shape
from geofence.tree import ZoneTree


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """A zone of the catalogue and a circle that holds all of it; distance to the zone itself."""

    zone: str
    circle: Circle
    distance_m: float


class Nearest(msgspec.Struct, frozen=True, kw_only=True):
    """Fences, nearest first. ask_again: out of this circle they may be others."""

    fences: tuple[Fence, ...]
    ask_again: Circle


class FenceBook:
    """The zones of the catalogue by where they are; made at the first question, kept in step."""

    def __init__(self, motor: Motor) -> None:
        self._pipeline = motor.pipeline
        self._tree: ZoneTree | None = None
        self._making: asyncio.Task[ZoneTree] | None = None
        self._changed: set[str] = set()
        self.version = 0
        motor.subscribe(self._heard)

    async def nearest(self, lon: float, lat: float, count: int) -> Nearest:
        """The `count` nearest zones to a position, degrees."""
        tree = self._tree or await self._made()
        found = tree.nearest(lon, lat, count + 1)
        reach_m = limits.FENCES_REACH_M_MAX
        if len(found) > count:
            # Half of the way to what is left out: phones notice late that they have left a circle.
            reach_m = min(max(found[count][1] / 2, limits.FENCES_REACH_M_MIN), reach_m)
        fences = tuple(
            Fence(zone=zone, circle=covering_circle(_shape(tree, zone)), distance_m=distance_m)
            for zone, distance_m in found[:count]
        )
        return Nearest(fences=fences, ask_again=Circle(lon=lon, lat=lat, radius_m=reach_m))

    async def _made(self) -> ZoneTree:
        """The tree, packed in another thread; what changes meanwhile is put in behind it."""
        if self._making is None:
            shapes = {zone: self._shape_of(zone) for zone in self._pipeline.catalogue.all("zone")}
            self._changed.clear()
            self._making = asyncio.create_task(asyncio.to_thread(ZoneTree, shapes))
        tree = await asyncio.shield(self._making)
        if self._tree is None:
            self._tree, self._making = tree, None
            for zone in self._changed:
                self._settle(tree, zone)
        return tree

    def _heard(self, batch: Sequence[Effects]) -> None:
        zones = {c.id for effects in batch for c in effects.changes if c.kind == "zone"}
        self.version += bool(zones)
        if self._tree is not None:
            for zone in zones:
                self._settle(self._tree, zone)
        else:
            self._changed |= zones

    def _settle(self, tree: ZoneTree, zone: str) -> None:
        if self._pipeline.catalogue.find("zone", zone) is None:
            tree.remove(zone)
        else:
            tree.put(zone, self._shape_of(zone))

    def _shape_of(self, zone: str) -> Shape:
        tracker = self._pipeline.tracker
        return tracker.zone(tracker.zone_slot(zone)).shape


def zone_name(motor: Motor, zone: str, languages: Sequence[str]) -> str:
    """A zone's name as a reader of `languages` likes it best; its id where it has none."""
    catalogue = motor.pipeline.catalogue
    record, destination = catalogue.find("zone", zone), catalogue.destination
    default = destination.default_language if destination is not None else "en"
    found = pick(record.name, languages, default) if record is not None else None
    return found[1] if found is not None else zone


def _shape(tree: ZoneTree, zone: str) -> Shape:
    shape = tree[zone]
    assert not isinstance(shape, tuple), "only zones are in it"
    return shape
