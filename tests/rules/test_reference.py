"""The published campaign workload, decision by decision: geofence and rules, without the engine."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks import workloads
from geofence.columns import Kind, Pings, Transitions
from geofence.tracker import OFF, Tracker
from rules.campaigns import (
    Campaign,
    Cap,
    Dwell,
    Enter,
    Exit,
    Restraint,
    RestraintSettings,
    Trigger,
    Weekly,
)
from rules.decider import Decider
from rules.facts import Destination, Facts, VisitorFacts, ZoneFacts
from rules.rulings import Ruling

# As shared with the workload: enter, exit, dwell, sent, window, cooldown, cap.
PUBLISHED = {
    (1_000, 7): (12_300, 7_454, 7_274, 11_569, 11_174, 702, 1_134),
    (10_000, 7): (48_518, 29_622, 25_994, 36_677, 47_486, 2_513, 8_579),
}
ROME = Destination(time_zone="UTC", lat=workloads.SOUTH, lon=workloads.WEST)
SETTINGS = RestraintSettings(
    global_cap=Cap(count=3, period_s=600),
    per_visitor=None,
    quiet_hours=None,
    arbitration_window_ms=0,
)


def as_campaign(watch: workloads.Watch) -> Campaign:
    zones = tuple(str(zone) for zone in watch.zones)
    start, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in watch.window)
    triggers: dict[str, Trigger] = {
        "enter": Enter(zones=zones),
        "exit": Exit(zones=zones),
        "dwell": Dwell(zones=zones, after_s=watch.dwell_s),
    }
    return Campaign(
        id=f"c{watch.number:04d}",
        name=f"campaign {watch.number}",
        kind="promotion",
        status="live",
        trigger=triggers[watch.trigger],
        condition=Weekly(start=start, end=end),
        restraint=Restraint(cooldown_s=watch.cooldown_s, cooldown_from="send"),
        message={},
    )


class Replay:
    """The workload through a tracker and a decider, one second at a time."""

    def __init__(self, zones: int, seed: int, batch: int) -> None:
        self.journeys = workloads.journeys(zones, seed=seed)
        self.visitors = self.journeys.accuracy_m.shape[1]
        self.batch = batch
        self.tally: Counter[str] = Counter()
        self.facts = Facts(ROME)
        self.decider = Decider(ROME, SETTINGS)
        self.tracker = Tracker(OFF)
        self.tracker.visitors_grow(self.visitors)
        self.tracker.put_zones(
            workloads.zones_of(self.journeys.walks, exit_margin_m=20.0), workloads.START_S * 1000
        )
        for slot, name in enumerate(self.tracker.zone_ids):
            self.facts.put_zone(slot, ZoneFacts(id=name))
        for slot in range(self.visitors):
            self.facts.put_visitor(slot, VisitorFacts(id=f"v{slot}", consents=3))
        for watch in workloads.watches(zones, seed=seed):
            slots = [self.tracker.zone_slot(str(zone)) for zone in watch.zones]
            self.decider.put_campaign(as_campaign(watch), slots, version=1, now_ms=0)
        for slot, name in enumerate(self.tracker.zone_ids):
            if dwells := self.decider.dwells_ms(slot):
                self.tracker.put_dwells(name, dwells, 0)

    def run(self) -> Counter[str]:
        rounds = self.journeys.accuracy_m.shape[0]
        every = np.arange(self.visitors)
        for number in range(rounds):
            for second in range(workloads.ROUND_S):
                self._tick((workloads.START_S + workloads.ROUND_S * number + second) * 1000)
                who = every[every % workloads.ROUND_S == second].astype(np.int32)
                for first in range(0, len(who), self.batch):
                    self._observe(number, who[first : first + self.batch])
        return self.tally

    def _tick(self, now_ms: int) -> None:
        self.facts.now_ms = now_ms
        self._decide(self.tracker.tick(now_ms), np.zeros(0, np.int64))
        self._count(self.decider.tick(self.facts))

    def _observe(self, number: int, who: np.ndarray[tuple[int], np.dtype[np.int32]]) -> None:
        fixes = self.journeys.walks.fixes[number, who]
        pings = Pings(
            visitor=who,
            fix_ms=self.journeys.time_s[number, who] * 1000,
            lon=np.ascontiguousarray(fixes[:, 0]),
            lat=np.ascontiguousarray(fixes[:, 1]),
            accuracy_m=self.journeys.accuracy_m[number, who].astype(np.float32),
            speed_mps=np.full(len(who), -1, np.float32),
            flags=np.zeros(len(who), np.uint8),
        )
        found = self.tracker.observe(pings, self.facts.now_ms)
        self._decide(found.transitions, number * self.visitors + who.astype(np.int64))

    def _decide(
        self, found: Transitions, positions: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> None:
        for kind in (Kind.ENTER, Kind.EXIT, Kind.DWELL):
            self.tally[kind.name.lower()] += int(np.count_nonzero(found.kind == kind))
        self._count(self.decider.on_transitions(found, positions, self.facts))

    def _count(self, rulings: list[Ruling]) -> None:
        self.tally.update(str(each.reason) for each in rulings)


@pytest.mark.parametrize(
    ("zones", "seed", "batch"), [(1_000, 7, 64), (1_000, 7, 10_000), (10_000, 7, 10_000)]
)
def test_every_decision_of_the_reference_workload_is_made(
    zones: int, seed: int, batch: int
) -> None:
    tally = Replay(zones, seed, batch).run()
    named = ("enter", "exit", "dwell", "sent", "window", "cooldown", "cap_global")
    assert tuple(tally[name] for name in named) == PUBLISHED[zones, seed]
    assert set(tally) == set(named)
