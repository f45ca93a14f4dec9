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

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from geofence import layout, limits
from geofence.columns import F64, I32, I64, U8, Cause, Pings, Transitions
from geofence.errors import (
    OverlapExceeded,
    PingsInvalid,
    RulesInvalid,
    SnapshotInvalid,
    ZoneInvalid,
    ZoneUnknown,
)
from geofence.index import CellIndex
from geofence.kernels import bound_edges
from geofence.outlines import Figure, figure_of
from geofence.shapes import Zone
from geofence.stream import (
    invalid_row,
    leave_zones,
    near_edit,
    observe,
    reevaluate,
    set_dwells,
    tick_silence,
    tick_timers,
)

Array = NDArray[Any]


class TrackingRules(msgspec.Struct, frozen=True, kw_only=True):
    """How fixes are trusted. 0 switches a rule off.

    future_ms_max, age_ms_max: further from the engine's now than this, a fix is quarantined.
    teleport_mps: a fix that implies more speed than this since the last one waits for a second
        fix that agrees; the default is faster than any train.
    agree_m: two fixes at most this far apart agree at any speed.
    mock_waits: a simulated location waits likewise.
    stale_ms: heard nothing for so long, a visit leaves the occupancy and its timers stop.
    close_ms: heard nothing for so long, a visit ends, with cause TIMEOUT.
    cross_gap_ms: two fixes further apart in time report no crossing of what lies between.
    exit_accuracy_m: how much of a fix's accuracy counts towards the exit distance.
    """

    future_ms_max: int = 5 * 60_000
    age_ms_max: int = 24 * 3_600_000
    teleport_mps: float = 100.0
    agree_m: float = 100.0
    mock_waits: bool = True
    stale_ms: int = 10 * 60_000
    close_ms: int = 30 * 60_000
    cross_gap_ms: int = 5 * 60_000
    exit_accuracy_m: float = limits.EXIT_ACCURACY_M_MAX

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            if not getattr(self, field) >= 0:
                raise RulesInvalid(field, "must not be negative")
        if 0 < self.close_ms < self.stale_ms:
            raise RulesInvalid("close_ms", "a visit is stale before it is closed")


OFF = TrackingRules(
    future_ms_max=0,
    age_ms_max=0,
    teleport_mps=0.0,
    mock_waits=False,
    stale_ms=0,
    close_ms=0,
    cross_gap_ms=0,
)


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
        self._rules = np.zeros(1, layout.RULES)
        for field in layout.RULES.names or ():
            self._rules[field] = getattr(rules, field)
        self.zone_ids: list[str] = []
        self._slots: dict[str, int] = {}
        self._zones_of_record: dict[int, Zone] = {}
        self._figures: dict[int, Figure] = {}
        self._index = CellIndex()
        self._dwells_max = 0
        self._edges_end = 0
        self._edges_live = 0
        self._edges: F64 = np.zeros((1_024, 4))
        self._boxes: F64 = np.zeros((32, 4))
        self._zones: Array = np.zeros(64, layout.ZONE)
        self._dwells: I32 = np.zeros((64, 1), np.int32)
        self._visitor_count = 0
        self._visitors: Array = np.zeros(0, layout.VISITOR)
        self._rings: Array = np.zeros((0, limits.RECENT_FIXES), np.uint32)
        self._members: Array = np.zeros(2 * limits.OVERLAP_MAX, layout.MEMBER)
        self._suspects: Array = np.zeros(64, layout.SUSPECT)
        self._timers: Array = np.zeros(8 * limits.OVERLAP_MAX, layout.TIMER)
        self._silence: Array = np.zeros(1_024, layout.TIMER)
        self._out: Array = np.zeros(32_768, layout.OUTPUT)
        self._tally: I64 = np.zeros(layout.TALLY, np.int64)
        self._tally[[layout.MEMBER_FREE, layout.SUSPECT_FREE]] = -1
        self._hits: I32 = np.zeros(limits.OVERLAP_MAX + 1, np.int32)
        self._nothing: U8 = np.zeros(0, np.uint8)
        self._crosses: I32 = np.zeros(0, np.int32)
        self._spots: I32 = np.zeros(257, np.int32)

    # visitors

    def visitors_grow(self, count: int) -> None:
        """Make the visitor slots 0 to count - 1 exist."""
        if count <= self._visitor_count:
            return
        if count > len(self._visitors):
            room = max(count, len(self._visitors) + len(self._visitors) // 4, 256)
            fresh = room - len(self._visitors)
            self._visitors = np.concatenate([self._visitors, _blank_visitors(fresh)])
            self._rings = np.concatenate(
                [self._rings, np.zeros((fresh, limits.RECENT_FIXES), np.uint32)]
            )
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
        v = self._visitors[: self._visitor_count]
        return v["lon"].copy(), v["lat"].copy(), v["fix_ms"].copy()

    def zones_of(self, visitor_slot: int) -> list[tuple[int, int]]:
        """Return (zone slot, enter_ms) of the visits in progress, stale ones included, by zone."""
        found = []
        m = int(self._visitor(visitor_slot)["head"])
        while m >= 0:
            r = self._members[m]
            if r["visit"] > 0:
                found.append((int(r["zone"]), int(r["enter_ms"])))
            m = int(r["next"])
        return found

    def forget(self, visitor_slot: int) -> None:
        """Erase what is known of a visitor: visits end unreported, the slot stays."""
        v = self._visitor(visitor_slot)
        rows, self._tally[layout.ROWS] = int(self._tally[layout.ROWS]), 0
        self._room("_out", int(v["count"]) + 1)
        leave_zones(
            np.array([visitor_slot], np.int32), 0, 0, self._nothing, self._visitors,
            self._members, self._zones, self._dwells, self._timers, self._out, self._tally,
            int(Cause.EDIT),
        )  # fmt: skip
        self._tally[layout.ROWS] = rows
        suspect, queued = int(v["suspect"]), int(v["hold"]) & layout.QUEUED
        if suspect >= 0:
            self._suspects[suspect] = (0, 0.0, 0.0, self._tally[layout.SUSPECT_FREE])
            self._tally[layout.SUSPECT_FREE] = suspect
        self._visitors[visitor_slot : visitor_slot + 1] = _blank_visitors(1)
        self._visitors["hold"][visitor_slot] = queued
        self._rings[visitor_slot] = 0

    def _visitor(self, slot: int) -> Any:
        if not 0 <= slot < self._visitor_count:
            raise IndexError(f"no visitor slot {slot}")
        return self._visitors[slot]

    # zones

    def zone_slot(self, zone_id: str) -> int:
        """Return the slot of a zone.

        Raises:
            ZoneUnknown: there is no such zone.
        """
        try:
            return self._slots[zone_id]
        except KeyError:
            raise ZoneUnknown(zone_id) from None

    def put_zones(self, zones: Sequence[Zone], now_ms: int) -> Transitions:
        """Add or edit zones; visitors there are judged anew on their last fix, cause EDIT.

        All or nothing. Rows come by visitor, then exits, then enters by zone. Visitors silent for
        `stale_ms`, or known from backlog only, are left for their next fix.

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
        return self._reevaluate(slots, figures, now_ms)

    def remove_zones(self, ids: Iterable[str], now_ms: int) -> Transitions:
        """Remove zones; the visits there end with cause EDIT, by visitor and zone.

        Raises:
            ZoneUnknown: there is no such zone.
        """
        slots = [self.zone_slot(i) for i in ids]
        only = np.zeros(len(self.zone_ids), np.uint8)
        only[slots] = 1
        who: Any = (
            np.unique(np.concatenate([self._with_members(s) for s in slots])) if slots else []
        )
        done = self._collect(
            lambda start: leave_zones(
                np.asarray(who, np.int32), start, now_ms, only, self._visitors, self._members,
                self._zones, self._dwells, self._timers, self._out, self._tally, int(Cause.EDIT),
            ),
            len(who),
        )  # fmt: skip
        for slot in slots:
            if not self._zones[slot]["live"]:
                continue
            self._index.remove(slot, self._figures.pop(slot).outline)
            self._edges_live -= int(self._zones[slot]["edge_count"])
            self._zones[slot]["live"] = 0
            self._zones[slot]["cross"] = 0
            self._zones[slot]["dwells"] = 0
            self._dwells[slot] = 0
            del self._zones_of_record[slot]
            del self._slots[self.zone_ids[slot]]
        self._note_crosses()
        return done

    def put_dwells(self, zone_id: str, dwells_ms: Sequence[int], now_ms: int) -> None:
        """Set the dwell times of a zone, in place of all former ones; nothing is judged anew.

        For visits in progress only instants after `now_ms` and their newest fix are still to come.

        Raises:
            ZoneUnknown: there is no such zone.
            ZoneInvalid: a dwell time cannot be, or there are too many.
        """
        slot = self.zone_slot(zone_id)
        _check_dwells(zone_id, dwells_ms)
        self._give_dwells(slot, dwells_ms, now_ms)

    def zone(self, zone_slot: int) -> Zone:
        """Return the zone at a slot as it was put."""
        return self._zones_of_record[zone_slot]

    def zones_at(self, lon: float, lat: float) -> I32:
        """Return the slots of the zones that hold a point, ascending."""
        return self._index.locate(lon - 360.0 if lon >= 180.0 else lon, lat)

    def occupancy(self) -> I32:
        """Return the distinct visitors inside by zone slot, stale ones not counted."""
        return np.ascontiguousarray(self._zones["occupancy"][: len(self.zone_ids)])

    def inside(self, zone_slot: int) -> I32:
        """Return the visitors with a visit to a zone in progress, ascending; not the stale."""
        return self._with_members(zone_slot, counted=True)

    def _with_members(self, slot: int, *, counted: bool = False) -> I32:
        found, m = [], int(self._zones[slot]["members"]) if slot < len(self.zone_ids) else -1
        while m >= 0:
            r = self._members[m]
            if not counted or r["state"] in (2, 3):
                found.append(int(r["visitor"]))
            m = int(r["zone_next"])
        return np.array(sorted(found), np.int32)

    def _list(self, zones: Sequence[Zone], figures: Sequence[Figure]) -> list[int]:
        """Put zones into the index, all or none; return their slots."""
        fresh = len(self.zone_ids)
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
                self._index.remove(slot, former.outline)
            if not self._index.put(slot, figure.outline):
                for undone, other in reversed(list(zip(slots[:k], figures[:k], strict=True))):
                    self._index.remove(undone, other.outline)
                for undone in slots[: k + 1]:
                    if undone in self._figures:
                        self._index.put(undone, self._figures[undone].outline)
                raise OverlapExceeded(zones[k].id, limits.ZONES_PER_CELL_MAX)
        return slots

    def _settle(self, slot: int, zone: Zone, figure: Figure) -> None:
        """Write a zone's row and its edges."""
        if slot >= len(self._zones):
            self._zones = _longer(self._zones, slot + 1)
            self._dwells = _longer(self._dwells, slot + 1)
        z = self._zones[slot]
        if slot == len(self.zone_ids):
            self.zone_ids.append(zone.id)
            self._slots[zone.id] = slot
            z["members"] = -1
        else:
            self._edges_live -= int(z["edge_count"])
        radius_m = figure.radius_m
        margin, ceiling = zone.exit_margin_m, zone.accuracy_ceiling_m
        z["margin_m"] = max(0.1 * radius_m, 20.0) if margin is None else margin
        z["ceiling_m"] = max(100.0, radius_m / 2) if ceiling is None else ceiling
        z["confirm_ms"], z["exit_confirm_ms"] = zone.confirm_ms, zone.exit_confirm_ms
        z["x0"], z["y0"], z["x1"], z["y1"] = figure.box
        z["kind"], z["live"], z["cross"] = figure.outline.kind, 1, zone.report_cross
        z["edge_start"], z["edge_count"] = self._store_edges(figure.edges), len(figure.edges)
        self._zones_of_record[slot], self._figures[slot] = zone, figure

    def _store_edges(self, edges: F64) -> int:
        start, end = self._edges_end, self._edges_end + len(edges)
        if end > len(self._edges):
            self._edges = _longer(self._edges, end)
        if end // 32 + 1 > len(self._boxes):
            self._boxes = _longer(self._boxes, end // 32 + 1)
        self._edges[start:end] = edges
        bound_edges(self._edges, self._boxes, start, len(edges))
        self._edges_end = end
        self._edges_live += len(edges)
        return start

    def _give_dwells(self, slot: int, dwells_ms: Sequence[int], now_ms: int) -> None:
        wanted = sorted(set(dwells_ms))
        if len(wanted) > self._dwells.shape[1]:
            wider = np.zeros((len(self._dwells), len(wanted)), np.int32)
            wider[:, : self._dwells.shape[1]] = self._dwells
            self._dwells = wider
        self._dwells[slot] = 0
        self._dwells[slot, : len(wanted)] = wanted
        self._zones[slot]["dwells"] = len(wanted)
        self._dwells_max = max(self._dwells_max, len(wanted))
        while not set_dwells(
            slot, now_ms, self._visitors, self._members, self._zones, self._dwells, self._timers,
            self._tally,
        ):  # fmt: skip
            self._timers = _longer(self._timers, len(self._timers) + 1)

    def _note_crosses(self) -> None:
        count = len(self.zone_ids)
        self._crosses = np.flatnonzero(self._zones["cross"][:count]).astype(np.int32)

    def _reevaluate(
        self, slots: Sequence[int], figures: Sequence[Figure], now_ms: int
    ) -> Transitions:
        only = np.zeros(len(self.zone_ids), np.uint8)
        only[slots] = 1
        marks = np.zeros(self._visitor_count, np.uint8)
        boxes = [box for f in figures for box in f.outline.boxes]
        if self._visitor_count and boxes:
            low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
            near_edit(
                self._visitors[: self._visitor_count], self._members, self._zones,
                np.array(slots, np.int32), marks, low[0], low[1], high[2], high[3],
                False, self._rules, now_ms,
            )  # fmt: skip
        who = np.flatnonzero(marks).astype(np.int32)
        return self._collect(
            lambda start: reevaluate(
                who, start, now_ms, only, self._visitors, self._members, self._zones,
                self._dwells, self._timers, self._silence, self._rules, self._out, self._tally,
                self._index.nodes, self._index.words, self._index.floats, self._index.rounds,
                self._edges, self._boxes, self._hits, self._dwells_max,
            ),
            len(who),
        )  # fmt: skip

    # movement

    def observe(self, pings: Pings, now_ms: int) -> Observation:
        """Apply a batch of fixes in its order, at the engine's `now_ms`.

        Raises:
            PingsInvalid: a column's type, length or a value cannot be; nothing is applied.
        """
        columns = _checked(pings)
        bad = invalid_row(columns[0], columns[2], columns[3], self._visitor_count)
        if bad >= 0:
            raise PingsInvalid("visitor, lon or lat", "out of range", int(bad))
        status = np.zeros(len(pings.visitor), np.uint8)
        transitions = self._collect(
            lambda start: observe(
                columns[0], columns[1], columns[2], columns[3], columns[4],
                columns[5], columns[6], status, now_ms, start, self._visitors, self._rings,
                self._members,
                self._suspects, self._zones, self._dwells, self._timers, self._silence,
                self._rules, self._out, self._tally, self._index.nodes, self._index.words,
                self._index.floats, self._index.rounds, self._edges, self._boxes, self._hits,
                self._nothing, self._dwells_max, self._crosses, self._spots,
            ),
            len(status),
        )  # fmt: skip
        return Observation(status, transitions)

    def tick(self, now_ms: int) -> Transitions:
        """Fire what is due by `now_ms` without a fix: dwell timers, then silence."""
        return self._collect(
            lambda _: int(
                tick_timers(
                    now_ms, self._visitors, self._members, self._zones, self._dwells,
                    self._timers, self._out, self._tally,
                )
                and tick_silence(
                    now_ms, self._visitors, self._members, self._zones, self._dwells,
                    self._timers, self._silence, self._rules, self._out, self._tally,
                )
            ),
            1,
        )  # fmt: skip

    def _collect(self, run: Any, end: int) -> Transitions:
        """Run a kernel to its end, making room as it asks, and return what it put out."""
        parts = []
        start = 0
        while True:
            before = start
            start = int(run(start)) if end else 0
            rows = int(self._tally[layout.ROWS])
            if rows or start >= end:
                parts.append(self._out[:rows].copy())
                self._tally[layout.ROWS] = 0
            if start >= end:
                break
            if start == before and rows == 0:
                self._out = _longer(self._out, len(self._out) + 1)
            self._more_room()
        return _transitions(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def _more_room(self) -> None:
        """Enlarge each pool that is nearly used up."""
        step, t = limits.OVERLAP_MAX, self._tally
        for name, used in (
            ("_members", t[layout.MEMBER_END] + step),
            ("_timers", t[layout.TIMERS] + 2 * step * (1 + self._dwells_max) + 1),
            ("_silence", t[layout.SILENCES] + 2),
            ("_suspects", t[layout.SUSPECT_END] + 1),
        ):
            self._room(name, int(used))

    def _room(self, name: str, need: int) -> None:
        array = getattr(self, name)
        if need > len(array):
            setattr(self, name, _longer(array, need))

    # snapshots

    def snapshot(self) -> dict[str, Array]:
        """Return the state as flat arrays: all of it but the rules and the zones' definitions."""
        t = self._tally
        return {
            "tally": t.copy(),
            "visitors": self._visitors[: self._visitor_count].copy(),
            "rings": self._rings[: self._visitor_count].copy(),
            "members": self._members[: t[layout.MEMBER_END]].copy(),
            "suspects": self._suspects[: t[layout.SUSPECT_END]].copy(),
            "timers": self._timers[: t[layout.TIMERS]].copy(),
            "silence": self._silence[: t[layout.SILENCES]].copy(),
            "zone_members": self._zones["members"][: len(self.zone_ids)].copy(),
            "occupancy": self.occupancy(),
            "live": self._zones["live"][: len(self.zone_ids)].copy(),
            "dwells": self._dwells[: len(self.zone_ids)].copy(),
            "dwell_counts": self._zones["dwells"][: len(self.zone_ids)].copy(),
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
            ids = [str(i) for i in arrays["zone_ids"]]
            self._restore_zones(ids, {z.id: z for z in zones}, arrays)
            self._visitors, self._rings = arrays["visitors"].copy(), arrays["rings"].copy()
            self._visitor_count = len(self._visitors)
            self._tally = arrays["tally"].copy()
            for name, kept in (
                ("_members", "members"), ("_suspects", "suspects"), ("_timers", "timers"),
                ("_silence", "silence"),
            ):  # fmt: skip
                array = getattr(self, name)
                if arrays[kept].dtype != array.dtype:
                    raise SnapshotInvalid(f"{kept} has another layout")
                self._room(name, len(arrays[kept]) + 1)
                getattr(self, name)[: len(arrays[kept])] = arrays[kept]
            if self._visitors.dtype != layout.VISITOR or self._rings.dtype != np.uint32:
                raise SnapshotInvalid("visitors have another layout")
        except KeyError as error:
            raise SnapshotInvalid(f"no {error.args[0]}") from None
        self._more_room()
        return self

    def _restore_zones(
        self, ids: list[str], zones: dict[str, Zone], arrays: dict[str, Array]
    ) -> None:
        live, counts, dwells = arrays["live"], arrays["dwell_counts"], arrays["dwells"]
        if {i for i, lives in zip(ids, live, strict=True) if lives} != zones.keys():
            raise SnapshotInvalid("taken with other zones")
        self._dwells = np.zeros((len(self._dwells), dwells.shape[1]), np.int32)
        for slot, (zone_id, lives) in enumerate(zip(ids, live, strict=True)):
            if lives:
                zone = zones[zone_id]
                figure = figure_of(zone)
                if not self._index.put(slot, figure.outline):
                    raise SnapshotInvalid("zones overlap beyond the limit")
                self._settle(slot, zone, figure)
                self._give_dwells(slot, [int(d) for d in dwells[slot, : counts[slot]]], 0)
            else:
                self.zone_ids.append(zone_id)
                if slot >= len(self._zones):
                    self._zones = _longer(self._zones, slot + 1)
                    self._dwells = _longer(self._dwells, slot + 1)
        self._zones["members"][: len(ids)] = arrays["zone_members"]
        self._zones["occupancy"][: len(ids)] = arrays["occupancy"]
        self._note_crosses()


def _blank_visitors(count: int) -> Array:
    blank = np.zeros(count, layout.VISITOR)
    blank["fix_ms"] = layout.UNSEEN
    blank["due_ms"] = layout.NEVER
    blank["head"] = blank["suspect"] = -1
    return blank


def _longer(array: Array, need: int) -> Array:
    """Return a copy with at least `need` rows, half as many again as before."""
    longer = np.zeros((max(need, len(array) * 3 // 2), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def _check_dwells(zone: str, dwells_ms: Sequence[int]) -> None:
    if len(dwells_ms) > limits.DWELLS_PER_ZONE_MAX:
        raise ZoneInvalid(zone, "dwells_ms", f"more than {limits.DWELLS_PER_ZONE_MAX}")
    if any(not 0 < d <= limits.DWELL_MS_MAX for d in dwells_ms):
        raise ZoneInvalid(zone, "dwells_ms", f"must be in 1..{limits.DWELL_MS_MAX}")


_COLUMNS = {
    "visitor": np.int32, "fix_ms": np.int64, "lon": np.float64, "lat": np.float64,
    "accuracy_m": np.float32, "speed_mps": np.float32, "flags": np.uint8,
}  # fmt: skip


def _checked(pings: Pings) -> Any:
    """Return the columns, contiguous, after checking types and lengths."""
    columns = []
    for name, dtype in _COLUMNS.items():
        column: Array = getattr(pings, name)
        if column.dtype != dtype or column.ndim != 1 or len(column) != len(pings.visitor):
            raise PingsInvalid(name, f"must be one {np.dtype(dtype).name} a ping")
        columns.append(np.ascontiguousarray(column))
    return columns


def _transitions(rows: Array) -> Transitions:
    return Transitions(*(np.ascontiguousarray(rows[name]) for name in Transitions._fields))
