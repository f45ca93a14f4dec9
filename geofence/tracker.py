"""The tracker: who is in which zone since when, as a function of the fixes and ticks it is given.

Pings and zones in, transitions out; pure: `now_ms` is a value, and the same sequence of calls,
however its fixes are cut into batches between ticks, gives the same transitions.

Order: a visitor's timers due by a fix come first, by (due, zone); then the fix: crosses, exits by
zone, enters by zone, dwells that had been held back. `tick` fires timers by (due, visitor, zone),
then silence by (due, visitor).

Dwell timers stop while leaving is unconfirmed, while a suspect fix waits and while the visit is
stale; one whose instant passed meanwhile fires on the fix that ends the doubt, at that fix's time,
if the visit goes on. Entering is reported at the confirming fix's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from geofence import layout, limits
from geofence.columns import F64, I32, I64, U8, Cause, Pings, Transitions
from geofence.errors import PingsInvalid, SnapshotInvalid
from geofence.memory import Array, Memory, blank
from geofence.shapes import Zone
from geofence.stream import UNEVEN, observe
from geofence.trust import OFF, TrackingRules
from geofence.upkeep import leave_zones, near_edit, reevaluate, tick_silence, tick_timers
from geofence.zonetable import ZoneTable

__all__ = ["OFF", "Fix", "Observation", "Tracker", "TrackingRules"]


class Observation(NamedTuple):
    """What a batch came to: one Status a ping, and the transitions."""

    status: U8
    transitions: Transitions


class Fix(NamedTuple):
    """A visitor's newest accepted fix; -1 where accuracy or speed are unknown."""

    fix_ms: int
    lon: float
    lat: float
    accuracy_m: float
    speed_mps: float


class Tracker:
    """Where every visitor is, and since when."""

    def __init__(self, rules: TrackingRules) -> None:
        self.rules = rules
        self._memory = Memory()
        self._zones = ZoneTable(self._memory)
        self._visitor_count = 0
        for name, rows in (
            ("rules", 1), ("members", 2 * limits.OVERLAP_MAX), ("suspects", 64),
            ("timers", 8 * limits.OVERLAP_MAX), ("silence", 1_024), ("out", 32_768),
            ("tally", layout.TALLY),
        ):  # fmt: skip
            self._memory.grow(name, rows)
        for field in layout.RULES.names or ():
            self._memory["rules"][field] = getattr(rules, field)
        self._tally: I64 = self._memory["tally"]
        self._tally[[layout.MEMBER_FREE, layout.SUSPECT_FREE]] = -1

    # visitors

    def visitors_grow(self, count: int) -> None:
        """Make the visitor slots 0 to count - 1 exist."""
        if count <= self._visitor_count:
            return
        have = len(self._memory["visitors"])
        if count > have:
            room = max(count, have + have // 4, 256)
            for name in ("visitors", "rings"):
                longer = blank(name, room)
                longer[:have] = self._memory[name]
                self._memory.put(name, longer)
            _wipe(self._memory["visitors"][have:])
        self._visitor_count = count

    def last_fix(self, visitor_slot: int) -> Fix | None:
        """Return the visitor's newest accepted fix, or None."""
        v = self._visitor(visitor_slot)
        if v["fix_ms"] == layout.UNSEEN:
            return None
        return Fix(
            int(v["fix_ms"]), float(v["lon"]), float(v["lat"]),
            round(float(v["accuracy_m"]), 3), round(float(v["speed_mps"]), 3),
        )  # fmt: skip

    def last_positions(self) -> tuple[F64, F64, I64]:
        """Return lon and lat (degrees) and time (ms) of every visitor's newest accepted fix.

        By slot; where there is none the time is negative.
        """
        v = self._memory["visitors"][: self._visitor_count]
        return v["lon"].copy(), v["lat"].copy(), v["fix_ms"].copy()

    def zones_of(self, visitor_slot: int) -> list[tuple[int, int]]:
        """Return (zone slot, enter_ms) of the visits in progress, stale ones included, by zone."""
        found = []
        m = int(self._visitor(visitor_slot)["head"])
        while m >= 0:
            r = self._memory["members"][m]
            if r["visit"] > 0:
                found.append((int(r["zone"]), int(r["enter_ms"])))
            m = int(r["next"])
        return found

    def forget(self, visitor_slot: int) -> None:
        """Erase what is known of a visitor: visits end unreported, the slot stays."""
        v = self._visitor(visitor_slot)
        self._memory.grow("out", int(v["count"]) + 1)
        who = np.array([visitor_slot], np.int32)
        leave_zones(self._memory.address, who, 0, 0, int(Cause.EDIT))
        self._tally[layout.ROWS] = 0
        suspect, queued = int(v["suspect"]), int(v["hold"]) & layout.QUEUED
        if suspect >= 0:
            self._memory["suspects"][suspect] = (0, 0.0, 0.0, self._tally[layout.SUSPECT_FREE])
            self._tally[layout.SUSPECT_FREE] = suspect
        _wipe(self._memory["visitors"][visitor_slot : visitor_slot + 1])
        v["hold"] = queued
        self._memory["rings"][visitor_slot] = 0

    def _visitor(self, slot: int) -> Any:
        if not 0 <= slot < self._visitor_count:
            raise IndexError(f"no visitor slot {slot}")
        return self._memory["visitors"][slot]

    # zones

    @property
    def zone_ids(self) -> list[str]:
        """The ids of zones by slot, of those removed too."""
        return self._zones.ids

    def zone_slot(self, zone_id: str) -> int:
        """Return the slot of a zone.

        Raises:
            ZoneUnknown: there is no such zone.
        """
        return self._zones.slot(zone_id)

    def put_zones(self, zones: Sequence[Zone], now_ms: int) -> Transitions:
        """Add or edit zones; visitors there are judged anew on their last fix, cause EDIT.

        All or nothing. Rows come by visitor, then exits, then enters by zone. Visitors silent for
        `stale_ms`, or known from backlog only, are left for their next fix.

        Raises:
            ZoneInvalid: a shape or setting cannot be.
            OverlapExceeded: too many zones over one spot.
        """
        slots, figures = self._zones.put(zones, now_ms)
        marks = np.zeros(self._visitor_count, np.uint8)
        boxes = [box for f in figures for box in f.outline.boxes]
        if self._visitor_count and boxes:
            low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
            near_edit(
                self._memory.address, np.array(slots, np.int32), marks, low[0], low[1], high[2],
                high[3], now_ms,
            )  # fmt: skip
        who = np.flatnonzero(marks).astype(np.int32)
        return self._of_edit(slots, who, lambda start: reevaluate(
            self._memory.address, who, start, now_ms
        ))  # fmt: skip

    def remove_zones(self, ids: Iterable[str], now_ms: int) -> Transitions:
        """Remove zones; the visits there end with cause EDIT, by visitor and zone.

        Raises:
            ZoneUnknown: there is no such zone.
        """
        slots = [self.zone_slot(i) for i in ids]
        inside = [self._with_members(slot) for slot in slots]
        who = np.unique(np.concatenate([np.zeros(0, np.int32), *inside]))
        done = self._of_edit(slots, who, lambda start: leave_zones(
            self._memory.address, who, start, now_ms, int(Cause.EDIT)
        ))  # fmt: skip
        self._zones.remove(slots)
        return done

    def _of_edit(self, slots: Sequence[int], who: I32, run: Callable[[int], int]) -> Transitions:
        """Run a kernel that looks at `slots` only over visitors."""
        only = np.zeros(len(self.zone_ids), np.uint8)
        only[slots] = 1
        self._memory.put("only", only)
        done = self._collect(run, len(who))
        self._memory.put("only", np.zeros(0, np.uint8))
        return done

    def put_dwells(self, zone_id: str, dwells_ms: Sequence[int], now_ms: int) -> None:
        """Set the dwell times of a zone, in place of all former ones; nothing is judged anew.

        For visits in progress only instants after `now_ms` and their newest fix are still to come.

        Raises:
            ZoneUnknown: there is no such zone.
            ZoneInvalid: a dwell time cannot be, or there are too many.
        """
        self._zones.put_dwells(zone_id, dwells_ms, now_ms)

    def zone(self, zone_slot: int) -> Zone:
        """Return the zone at a slot as it was put."""
        return self._zones.zone(zone_slot)

    def zones_at(self, lon: float, lat: float) -> I32:
        """Return the slots of the zones that hold a point, ascending."""
        return self._zones.index.locate(lon - 360.0 if lon >= 180.0 else lon, lat)

    def occupancy(self) -> I32:
        """Return the distinct visitors inside by zone slot, stale ones not counted."""
        return np.ascontiguousarray(self._memory["zones"]["occupancy"][: len(self.zone_ids)])

    def inside(self, zone_slot: int) -> I32:
        """Return the visitors with a visit to a zone in progress, ascending; not the stale."""
        return self._with_members(zone_slot, counted=True)

    def _with_members(self, slot: int, *, counted: bool = False) -> I32:
        found, m = [], -1
        if slot < len(self.zone_ids):
            m = int(self._memory["zones"][slot]["members"])
        while m >= 0:
            r = self._memory["members"][m]
            if not counted or r["state"] in (2, 3):
                found.append(int(r["visitor"]))
            m = int(r["zone_next"])
        return np.array(sorted(found), np.int32)

    # movement

    def observe(self, pings: Pings, now_ms: int) -> Observation:
        """Apply a batch of fixes in its order, at the engine's `now_ms`.

        Raises:
            PingsInvalid: a column's type, length or a value cannot be; nothing is applied.
        """
        status: U8 = np.zeros(len(pings.visitor), np.uint8)
        try:
            done = self._observe(pings, status, now_ms, 0)
        except TypeError:
            pings = _checked(pings)
            done = self._observe(pings, status, now_ms, 0)
        if done == UNEVEN:
            raise PingsInvalid("columns", "must be of one length")
        if done < 0:
            raise PingsInvalid("visitor, lon or lat", "out of range", -1 - done)
        if done == len(status) and self._tally[layout.ROWS] == 0:
            return Observation(status, NOTHING)
        return Observation(status, self._collect(
            lambda start: start if start == len(status) else self._observe(
                pings, status, now_ms, start
            ), len(status), done,
        ))  # fmt: skip

    def _observe(self, pings: Pings, status: U8, now_ms: int, start: int) -> int:
        return observe(self._memory.address, *pings, status, now_ms, start, self._visitor_count)

    def tick(self, now_ms: int) -> Transitions:
        """Fire what is due by `now_ms` without a fix: dwell timers, then silence."""
        memory = self._memory.address
        return self._collect(
            lambda _: int(tick_timers(memory, now_ms) and tick_silence(memory, now_ms)), 1
        )

    def _collect(self, run: Callable[[int], int], end: int, start: int = 0) -> Transitions:
        """Run a kernel from `start` to its end, making room as it asks; return what it put out."""
        parts = []
        while True:
            before = start
            start = int(run(start)) if end else 0
            rows = int(self._tally[layout.ROWS])
            if rows or start >= end:
                parts.append(self._memory["out"][:rows].copy())
                self._tally[layout.ROWS] = 0
            if start >= end:
                break
            if start == before and rows == 0:
                self._memory.grow("out", len(self._memory["out"]) + 1)
            self._more_room()
        return _transitions(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def _more_room(self) -> None:
        """Enlarge each pool that is nearly used up."""
        step, t = limits.OVERLAP_MAX, self._tally
        for name, used in (
            ("members", t[layout.MEMBER_END] + step),
            ("timers", t[layout.TIMERS] + 2 * step * (1 + t[layout.DWELLS_MAX]) + 1),
            ("silence", t[layout.SILENCES] + 2),
            ("suspects", t[layout.SUSPECT_END] + 1),
        ):
            self._memory.grow(name, int(used))

    # snapshots

    def snapshot(self) -> dict[str, Array]:
        """Return the state as flat arrays: all of it but the rules and the zones' definitions."""
        memory, t, zones = self._memory, self._tally, len(self.zone_ids)
        rows = memory["zones"][:zones]
        return {
            "tally": t.copy(),
            "visitors": memory["visitors"][: self._visitor_count].copy(),
            "rings": memory["rings"][: self._visitor_count].copy(),
            "members": memory["members"][: t[layout.MEMBER_END]].copy(),
            "suspects": memory["suspects"][: t[layout.SUSPECT_END]].copy(),
            "timers": memory["timers"][: t[layout.TIMERS]].copy(),
            "silence": memory["silence"][: t[layout.SILENCES]].copy(),
            "zone_members": rows["members"].copy(),
            "occupancy": self.occupancy(),
            "live": rows["live"].copy(),
            "dwells": memory["dwells"][:zones].copy(),
            "dwell_counts": rows["dwells"].copy(),
            "zone_ids": np.array(self.zone_ids, np.str_),
        }

    @classmethod
    def restore(
        cls, rules: TrackingRules, zones: Iterable[Zone], arrays: dict[str, Array]
    ) -> Tracker:
        """Return a tracker that goes on where `snapshot` was taken.

        zones: the definitions of the zones that lived then, in any order.

        Raises:
            SnapshotInvalid: the arrays and zones do not belong together.
        """
        self = cls(rules)
        try:
            self._restore_zones({z.id: z for z in zones}, arrays)
            if len(arrays["tally"]) != layout.TALLY:
                raise SnapshotInvalid("tally has another layout")
            self._tally[:] = arrays["tally"]
            self.visitors_grow(len(arrays["visitors"]))
            for name in ("visitors", "rings", "members", "suspects", "timers", "silence"):
                kept = arrays[name]
                if kept.dtype != self._memory[name].dtype:
                    raise SnapshotInvalid(f"{name} has another layout")
                self._memory.grow(name, len(kept) + 1)
                self._memory[name][: len(kept)] = kept
        except KeyError as error:
            raise SnapshotInvalid(f"no {error.args[0]}") from None
        self._more_room()
        return self

    def _restore_zones(self, zones: dict[str, Zone], arrays: dict[str, Array]) -> None:
        ids, live = [str(i) for i in arrays["zone_ids"]], arrays["live"]
        counts, dwells = arrays["dwell_counts"], arrays["dwells"]
        if {i for i, lives in zip(ids, live, strict=True) if lives} != zones.keys():
            raise SnapshotInvalid("taken with other zones")
        self._memory.put("dwells", blank("dwells", len(ids), dwells.shape[1]))
        for slot, (zone_id, lives) in enumerate(zip(ids, live, strict=True)):
            wanted = [int(d) for d in dwells[slot, : counts[slot]]]
            if not self._zones.restore(zone_id, zones[zone_id] if lives else None, wanted):
                raise SnapshotInvalid("zones overlap beyond the limit")
        rows = self._memory["zones"]
        rows["members"][: len(ids)] = arrays["zone_members"]
        rows["occupancy"][: len(ids)] = arrays["occupancy"]


def _wipe(visitors: Array) -> None:
    """Make rows of visitors those of nobody."""
    visitors[:] = np.zeros(1, layout.VISITOR)
    visitors["fix_ms"] = layout.UNSEEN
    visitors["due_ms"] = layout.NEVER
    visitors["head"] = visitors["suspect"] = -1
    visitors["only"] = layout.NONE


_COLUMNS = {
    "visitor": np.int32, "fix_ms": np.int64, "lon": np.float64, "lat": np.float64,
    "accuracy_m": np.float32, "speed_mps": np.float32, "flags": np.uint8,
}  # fmt: skip


def _checked(pings: Pings) -> Pings:
    """Return the columns, contiguous, after checking their types."""
    columns: list[Any] = []
    for name, dtype in _COLUMNS.items():
        column: Array = getattr(pings, name)
        if column.dtype != dtype or column.ndim != 1 or len(column) != len(pings.visitor):
            raise PingsInvalid(name, f"must be one {np.dtype(dtype).name} a ping")
        columns.append(np.ascontiguousarray(column))
    return Pings(*columns)


def _transitions(rows: Array) -> Transitions:
    return Transitions(*(np.ascontiguousarray(rows[name]) for name in Transitions._fields))


# Shared by all batches from which nothing came.
NOTHING = _transitions(np.zeros(0, layout.OUTPUT))
for _column in NOTHING:
    _column.flags.writeable = False
