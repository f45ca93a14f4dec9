"""Balise's tracker as a contestant of the match benchmark."""

from __future__ import annotations

import numpy as np

from benchmarks.workloads import ROUND_S, START_S
from geofence.columns import F64, Kind, Pings
from geofence.shapes import Zone
from geofence.tracker import Tracker, TrackingRules

# The workload's visitors are all to be believed and none of them falls silent for long.
RULES = TrackingRules(
    future_ms_max=0, age_ms_max=0, teleport_mps=0.0, mock_waits=False, stale_ms=0, close_ms=0
)


class BaliseTracker:
    """Columns in, transitions out: match, hysteresis, timers and visits, as the engine calls it."""

    def __init__(self, zones: list[Zone], *, batch: int) -> None:
        """batch: pings to a call; a round is cut into as many calls as it takes."""
        self.name = "balise"
        self.batch = batch
        self._zones = zones
        self.reset()

    def reset(self) -> None:
        """See rivals.port.Matcher."""
        self._tracker = Tracker(RULES)
        self._tracker.put_zones(self._zones, START_S * 1000)
        self._visitors = 0
        self._round = 0

    def step(self, fixes: F64) -> tuple[int, int]:
        """See rivals.port.Matcher."""
        if len(fixes) > self._visitors:
            self._visitors = len(fixes)
            self._tracker.visitors_grow(self._visitors)
        now_ms = (START_S + ROUND_S * self._round) * 1000
        self._round += 1
        enters = exits = 0
        for first in range(0, len(fixes), self.batch):
            here = fixes[first : first + self.batch]
            count = len(here)
            unknown = np.full(count, -1, np.float32)
            pings = Pings(
                visitor=np.arange(first, first + count, dtype=np.int32),
                fix_ms=np.full(count, now_ms, np.int64),
                lon=np.ascontiguousarray(here[:, 0]),
                lat=np.ascontiguousarray(here[:, 1]),
                accuracy_m=unknown,
                speed_mps=unknown,
                flags=np.zeros(count, np.uint8),
            )
            kinds = self._tracker.observe(pings, now_ms).transitions.kind
            enters += int(np.count_nonzero(kinds == Kind.ENTER))
            exits += int(np.count_nonzero(kinds == Kind.EXIT))
        return enters, exits
