"""Which campaigns listen to which zone: arrays for the prefilter, lists for what passes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geofence.columns import I32, U8, Kind
from rules.compiled import Compiled, Trigger

_LEAVER_BIT = 16  # beyond the kinds: an exit that starts a cooldown
_BITS_OF_KIND: U8 = np.array([1, 2 | _LEAVER_BIT, 4, 8], np.uint8)
_KIND_OF: dict[Trigger, Kind] = {
    Trigger.ENTER: Kind.ENTER,
    Trigger.NEAR: Kind.ENTER,
    Trigger.EXIT: Kind.EXIT,
    Trigger.DWELL: Kind.DWELL,
    Trigger.CROSS: Kind.CROSS,
}
_DWELL = int(Kind.DWELL)


class Watching:
    """Listeners by zone slot and kind of transition, each list in the order of judging.

    bits: a byte a zone slot, 1 << Kind where somebody listens. leavers: zone slot -> slots of the
    campaigns whose cooldown starts at the exit.
    """

    __slots__ = ("_at_zone", "_by_slot", "_dwells", "_listeners", "bits", "leavers")

    def __init__(self) -> None:
        self.bits: U8 = np.zeros(0, np.uint8)
        self.leavers: dict[int, tuple[int, ...]] = {}
        self._by_slot: dict[int, Compiled] = {}
        self._at_zone: dict[int, set[int]] = {}
        self._listeners: dict[int, tuple[Compiled, ...]] = {}  # by zone * 4 + kind
        self._dwells: dict[int, dict[int, tuple[Compiled, ...]]] = {}  # by zone, then dwell_ms

    def put(self, slot: int, c: Compiled | None) -> None:
        """Set what a campaign slot listens to; None for nothing any more."""
        before = self._by_slot.pop(slot, None)
        zones = set(before.zone_slots) if before is not None else set()
        for zone in zones:
            self._at_zone[zone].discard(slot)
        if c is not None:
            self._by_slot[slot] = c
            for zone in c.zone_slots:
                self._at_zone.setdefault(zone, set()).add(slot)
            zones.update(c.zone_slots)
        if zones:
            self._grow(max(zones) + 1)
        for zone in zones:
            self._refresh(zone)

    def listeners(self, zone: int, kind: int, dwell_ms: int) -> tuple[Compiled, ...]:
        """Who listens to a transition, by priority, then id."""
        if kind == _DWELL:
            return self._dwells[zone].get(dwell_ms, ()) if zone in self._dwells else ()
        return self._listeners.get(zone * 4 + kind, ())

    def dwells_ms(self, zone: int) -> tuple[int, ...]:
        """The dwell times listened to, ascending."""
        return tuple(sorted(self._dwells.get(zone, ())))

    def hits(self, zone: I32, kind: U8) -> NDArray[np.intp]:
        """Indices of the transitions that somebody listens to."""
        if not len(zone) or not self._by_slot:
            return np.zeros(0, np.intp)
        self._grow(int(zone.max()) + 1)
        return np.flatnonzero(self.bits[zone] & _BITS_OF_KIND[kind])

    def _grow(self, count: int) -> None:
        if count > len(self.bits):
            grown = np.zeros(max(count, 2 * len(self.bits)), np.uint8)
            grown[: len(self.bits)] = self.bits
            self.bits = grown

    def _refresh(self, zone: int) -> None:
        here = sorted(
            (self._by_slot[slot] for slot in self._at_zone[zone]), key=lambda each: each.order
        )
        bits = 0
        self._dwells.pop(zone, None)
        for kind in Kind:
            listening = tuple(c for c in here if _KIND_OF.get(c.trigger) is kind)
            self._listeners.pop(zone * 4 + kind, None)
            if not listening:
                continue
            bits |= 1 << kind
            if kind is not Kind.DWELL:
                self._listeners[zone * 4 + kind] = listening
                continue
            times = {c.dwell_ms for c in listening}
            self._dwells[zone] = {
                time: tuple(c for c in listening if c.dwell_ms == time) for time in times
            }
        leavers = tuple(c.slot for c in here if c.cools_from_exit)
        self.leavers.pop(zone, None)
        if leavers:
            self.leavers[zone] = leavers
            bits |= _LEAVER_BIT
        self.bits[zone] = bits
