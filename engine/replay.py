"""Recorded traces through the engine: what the zones would have seen.

The traces become a log (zones, then ticks and pings) and a pipeline applies it, as it does for a
server. Time is the traces' own: a tick each second of it, and the fixes of that second after its
tick, as when they came in live. Seconds in which nothing was recorded are passed in one tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from content.zones import ZoneRecord
from engine import limits
from engine.pipeline import Pipeline
from engine.records import Catalogue, Change, Entry, PingRows, Record, Tick
from engine.traces import Traces
from geofence.columns import I64, Kind, Pings, Status, Transitions
from geofence.tracker import TrackingRules

TICK_MS = 1000

# Recorded fixes are taken as they are: nothing waits for a second fix, silence ends no visit.
AS_RECORDED = TrackingRules(
    future_ms_max=0, age_ms_max=0, teleport_mps=0.0, mock_waits=False, stale_ms=0, close_ms=0
)


def replay(
    traces: Traces,
    zones: Sequence[ZoneRecord],
    *,
    rules: TrackingRules = AS_RECORDED,
    advance: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Run traces through a pipeline with these zones; the counts, as `--json` prints them.

    enter, exit, dwell, cross: transitions; visits open at the end stay open. visitors: how many
    entered any zone, of `visitors_seen` in the file. pings: readable rows, of which `duplicates`
    repeat a visitor's fix time; rejected: rows that are unreadable (the first ones in `problems`)
    or quarantined by the rules. zones: the same counts by zone id. advance: told of each part's
    number of fixes once they are through.

    Raises geofence.errors.GeofenceError where a zone or rule cannot be.
    """
    pipeline = Pipeline(tracking=rules)
    tally = _Tally(max(1, len(traces.visitors)), len(zones))
    statuses = np.zeros(len(Status), np.int64)
    position = 0
    for entry in _log(traces, zones):
        record = Record(position=position, received_ms=pipeline.now_ms, entry=entry)
        position = record.end
        effects = pipeline.apply(record)
        if effects.transitions is not None:
            tally.add(effects.transitions)
        if effects.status is not None:
            statuses += np.bincount(effects.status, minlength=len(Status))
            if advance is not None:
                advance(len(effects.status))
    quarantined = int(statuses[Status.FUTURE] + statuses[Status.TOO_OLD])
    return {
        **tally.totals(),
        "visitors_seen": len(traces.visitors),
        "pings": len(traces.pings.fix_ms),
        "duplicates": int(statuses[Status.DUPLICATE]),
        "rejected": traces.refused + quarantined,
        "problems": [
            {"row": p.row, "column": p.column, "reason": p.reason} for p in traces.problems
        ],
        "zones": dict(zip(pipeline.tracker.zone_ids, tally.by_zone(), strict=True)),
    }


def _log(traces: Traces, zones: Sequence[ZoneRecord]) -> Iterator[Entry]:
    """The entries that a server would have logged; the last tick is at the last fix's time."""
    times = traces.pings.fix_ms
    if len(times):
        yield Tick(now_ms=int(times[0]) // TICK_MS * TICK_MS)
    changes = (
        Change(kind="zone", id=zone.id, version=1, body=msgspec.json.encode(zone)) for zone in zones
    )
    yield Catalogue(changes=tuple(changes), author="replay")
    for now_ms, part in _seconds(traces.pings):
        yield Tick(now_ms=now_ms)
        yield _rows(part, traces.visitors)
    if len(times):
        yield Tick(now_ms=int(times[-1]))


def _seconds(pings: Pings) -> Iterator[tuple[int, Pings]]:
    """Each second that has fixes, ms since 1970, with its fixes in parts of bounded size."""
    ticks = pings.fix_ms // TICK_MS
    borders = np.flatnonzero(np.diff(ticks)) + 1
    for first, end in zip((0, *borders), (*borders, len(ticks)), strict=True):
        for start in range(first, end, limits.REPLAY_PINGS_MAX):
            until = min(end, start + limits.REPLAY_PINGS_MAX)
            yield int(ticks[start]) * TICK_MS, Pings._make(column[start:until] for column in pings)


def _rows(part: Pings, visitors: tuple[str, ...]) -> PingRows:
    """A batch for the log, with a table of its own visitors only."""
    table: dict[int, int] = {}
    index = [table.setdefault(slot, len(table)) for slot in part.visitor.tolist()]
    names = tuple(visitors[slot] for slot in table)
    return PingRows.of(names, part._replace(visitor=np.array(index, np.int32)))


class _Tally:
    """Transitions by kind and zone, and who entered where."""

    def __init__(self, visitors: int, zones: int) -> None:
        self._visitors = max(1, visitors)
        self._counts: I64 = np.zeros((zones, len(Kind)), np.int64)
        self._entered: list[I64] = []  # zone * visitors + visitor

    def add(self, transitions: Transitions) -> None:
        if not len(transitions.kind):
            return
        np.add.at(self._counts, (transitions.zone, transitions.kind), 1)
        enters = transitions.kind == Kind.ENTER
        zone = transitions.zone[enters].astype(np.int64)
        self._entered.append(zone * self._visitors + transitions.visitor[enters])

    def totals(self) -> dict[str, int]:
        """All transitions, and how many visitors entered anything."""
        visitors = len(np.unique(self._pairs() % self._visitors))
        return {**self._named(self._counts.sum(axis=0)), "visitors": visitors}

    def by_zone(self) -> list[dict[str, int]]:
        """The same for each zone slot."""
        visitors = np.bincount(self._pairs() // self._visitors, minlength=len(self._counts))
        return [
            {**self._named(counts), "visitors": int(count)}
            for counts, count in zip(self._counts, visitors, strict=True)
        ]

    def _pairs(self) -> I64:
        return np.unique(np.concatenate([np.empty(0, np.int64), *self._entered]))

    def _named(self, counts: I64) -> dict[str, int]:
        return {kind.name.lower(): int(counts[kind]) for kind in Kind}
