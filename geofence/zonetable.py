"""The zones of a tracker: their slots, rows, dwells and index; visitors are left to the tracker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geofence import limits
from geofence.errors import OverlapExceeded, ZoneInvalid, ZoneUnknown
from geofence.index import CellIndex
from geofence.layout import DWELLS_MAX
from geofence.memory import Memory, blank
from geofence.outlines import Figure, figure_of
from geofence.shapes import Zone
from geofence.upkeep import set_dwells


class ZoneTable:
    """Zones by id and by slot; slots are never used again."""

    def __init__(self, memory: Memory) -> None:
        self.ids: list[str] = []
        self.index = CellIndex(memory)
        self._memory = memory
        self._slots: dict[str, int] = {}
        self._zones: dict[int, Zone] = {}
        self._figures: dict[int, Figure] = {}
        memory.grow("zones", 64)
        memory.put("dwells", blank("dwells", 64))

    def slot(self, zone_id: str) -> int:
        """Return the slot of a zone.

        Raises:
            ZoneUnknown: there is no such zone.
        """
        try:
            return self._slots[zone_id]
        except KeyError:
            raise ZoneUnknown(zone_id) from None

    def zone(self, slot: int) -> Zone:
        """Return the zone at a slot as it was put."""
        return self._zones[slot]

    def put(self, zones: Sequence[Zone], now_ms: int) -> tuple[list[int], list[Figure]]:
        """Add or edit zones, all or none; return their slots and shapes.

        Raises:
            ZoneInvalid: a shape or setting cannot be.
            OverlapExceeded: too many zones over one spot.
        """
        if len({z.id for z in zones}) < len(zones):
            raise ZoneInvalid(zones[0].id, "id", "the same id twice in one call")
        figures = [figure_of(z) for z in zones]
        for zone in zones:
            _check_dwells(zone.id, zone.dwells_ms)
        slots = self._list(zones, figures)
        for slot, zone, figure in zip(slots, zones, figures, strict=True):
            self._settle(slot, zone, figure)
            self._give_dwells(slot, zone.dwells_ms, now_ms)
        self._note_crosses()
        return slots, figures

    def remove(self, slots: Sequence[int]) -> None:
        """Remove zones that nobody is in any more; those already gone are passed over."""
        for slot in slots:
            row = self._memory["zones"][slot]
            if row["live"]:
                self.index.remove(slot, self._figures.pop(slot).outline)
                row["live"] = row["cross"] = row["dwells"] = 0
                self._memory["dwells"][slot] = 0
                del self._zones[slot]
                del self._slots[self.ids[slot]]
        self._note_crosses()

    def put_dwells(self, zone_id: str, dwells_ms: Sequence[int], now_ms: int) -> None:
        """See Tracker.put_dwells."""
        slot = self.slot(zone_id)
        _check_dwells(zone_id, dwells_ms)
        self._give_dwells(slot, dwells_ms, now_ms)

    def restore(self, zone_id: str, zone: Zone | None, dwells_ms: Sequence[int]) -> bool:
        """Give the next slot to a zone, None if it lived no more; False: over the limit."""
        slot = len(self.ids)
        if zone is None:
            self.ids.append(zone_id)
            self._rows(slot + 1)
            return True
        figure = figure_of(zone)
        if not self.index.put(slot, figure.outline):
            return False
        self._settle(slot, zone, figure)
        self._give_dwells(slot, dwells_ms, 0)
        self._note_crosses()
        return True

    def _list(self, zones: Sequence[Zone], figures: Sequence[Figure]) -> list[int]:
        """Put zones into the index, all or none; return their slots."""
        fresh = len(self.ids)
        slots = []
        for zone in zones:
            slot = self._slots.get(zone.id, -1)
            if slot < 0:
                slot, fresh = fresh, fresh + 1
            slots.append(slot)
        if fresh > limits.ZONES_MAX:
            raise OverlapExceeded(zones[-1].id, limits.ZONES_MAX)
        for k, (slot, figure) in enumerate(zip(slots, figures, strict=True)):
            former = self._figures.get(slot)
            if former is not None:
                self.index.remove(slot, former.outline)
            if not self.index.put(slot, figure.outline):
                for undone, other in reversed(list(zip(slots[:k], figures[:k], strict=True))):
                    self.index.remove(undone, other.outline)
                for undone in slots[: k + 1]:
                    if undone in self._figures:
                        self.index.put(undone, self._figures[undone].outline)
                raise OverlapExceeded(zones[k].id, limits.ZONES_PER_CELL_MAX)
        return slots

    def _rows(self, count: int) -> None:
        self._memory.grow("zones", count)
        self._memory.grow("dwells", count)

    def _settle(self, slot: int, zone: Zone, figure: Figure) -> None:
        """Write a zone's row."""
        self._rows(slot + 1)
        z = self._memory["zones"][slot]
        if slot == len(self.ids):
            self.ids.append(zone.id)
            self._slots[zone.id] = slot
            z["members"] = -1
        radius_m = figure.radius_m
        margin, ceiling = zone.exit_margin_m, zone.accuracy_ceiling_m
        z["margin_m"] = max(0.1 * radius_m, 20.0) if margin is None else margin
        z["ceiling_m"] = max(100.0, radius_m / 2) if ceiling is None else ceiling
        z["confirm_ms"], z["exit_confirm_ms"] = zone.confirm_ms, zone.exit_confirm_ms
        z["x0"], z["y0"], z["x1"], z["y1"] = figure.box
        z["kind"], z["live"], z["cross"] = figure.outline.kind, 1, zone.report_cross
        z["edge_start"] = self._memory["starts"][slot]
        z["edge_count"] = len(figure.outline.edges)
        self._zones[slot], self._figures[slot] = zone, figure

    def _give_dwells(self, slot: int, dwells_ms: Sequence[int], now_ms: int) -> None:
        wanted = sorted(set(dwells_ms))
        dwells, tally = self._memory["dwells"], self._memory["tally"]
        if len(wanted) > dwells.shape[1]:
            wider = blank("dwells", len(dwells), len(wanted))
            wider[:, : dwells.shape[1]] = dwells
            self._memory.put("dwells", wider)
            dwells = wider
        dwells[slot] = 0
        dwells[slot, : len(wanted)] = wanted
        self._memory["zones"][slot]["dwells"] = len(wanted)
        tally[DWELLS_MAX] = max(tally[DWELLS_MAX], len(wanted))
        while not set_dwells(self._memory.address, slot, now_ms):
            self._memory.grow("timers", len(self._memory["timers"]) + 1)

    def _note_crosses(self) -> None:
        cross = self._memory["zones"]["cross"][: len(self.ids)]
        self._memory.put("crosses", np.flatnonzero(cross).astype(np.int32))


def _check_dwells(zone: str, dwells_ms: Sequence[int]) -> None:
    if len(dwells_ms) > limits.DWELLS_PER_ZONE_MAX:
        raise ZoneInvalid(zone, "dwells_ms", f"more than {limits.DWELLS_PER_ZONE_MAX}")
    if any(not 0 < d <= limits.DWELL_MS_MAX for d in dwells_ms):
        raise ZoneInvalid(zone, "dwells_ms", f"must be in 1..{limits.DWELL_MS_MAX}")
