"""What visitors trust: each rule of tracking by name."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.columns import Cause, Kind, PingFlag, Pings, Status, Transitions
from geofence.errors import PingsInvalid, RulesInvalid, SnapshotInvalid, ZoneInvalid, ZoneUnknown
from geofence.shapes import Area, Circle, Zone
from geofence.tracker import OFF, Observation, Tracker, TrackingRules
from tests.geofence import scenario

LON, LAT = 6.0, 45.0
EAST_M = 111_320 * math.cos(math.radians(LAT))
S = 1_000


def circle(**settings: object) -> Zone:
    """A circle of 100 m; the exit margin is its default, 20 m."""
    kept = {"id": "c", "shape": Circle(lon=LON, lat=LAT, radius_m=100), **settings}
    return Zone(**kept)  # type: ignore[arg-type]


def tracker_of(*zones: Zone, rules: TrackingRules = OFF) -> Tracker:
    tracker = Tracker(rules)
    tracker.visitors_grow(4)
    tracker.put_zones(zones, 0)
    return tracker


def fix(
    tracker: Tracker, east_m: float, t: int, *, who: int = 0, accuracy_m: float = -1.0,
    flags: int = 0, now: int | None = None,
) -> list[tuple[str, str, int, int]]:  # fmt: skip
    """Send one fix; return (kind, cause, zone, at) of what came of it."""
    return short(send(tracker, east_m, t, who, accuracy_m, flags, now).transitions)


def send(
    tracker: Tracker, east_m: float, t: int, who: int = 0, accuracy_m: float = -1.0,
    flags: int = 0, now: int | None = None,
) -> Observation:  # fmt: skip
    one = Pings(
        np.array([who], np.int32), np.array([t], np.int64), np.array([LON + east_m / EAST_M]),
        np.array([LAT]), np.array([accuracy_m], np.float32), np.array([-1], np.float32),
        np.array([flags], np.uint8),
    )  # fmt: skip
    return tracker.observe(one, t if now is None else now)


def short(transitions: Transitions) -> list[tuple[str, str, int, int]]:
    t = transitions
    return [
        (Kind(k).name, Cause(c).name, int(z), int(at))
        for k, c, z, at in zip(t.kind, t.cause, t.zone, t.at_ms, strict=True)
    ]


def test_a_fix_inside_enters_unless_it_is_too_rough():
    tracker = tracker_of(circle())
    assert fix(tracker, 0, 1 * S, accuracy_m=101) == []
    assert fix(tracker, 0, 2 * S, accuracy_m=100) == [("ENTER", "FIX", 0, 2 * S)]


def test_leaving_needs_the_margin_and_the_accuracy_counted_to_50_m():
    tracker = tracker_of(circle())
    fix(tracker, 0, 1 * S)
    assert fix(tracker, 119, 2 * S) == []
    assert fix(tracker, 140, 3 * S, accuracy_m=30) == []
    assert fix(tracker, 169, 4 * S, accuracy_m=3_000) == []
    assert fix(tracker, 172, 5 * S, accuracy_m=3_000) == [("EXIT", "FIX", 0, 5 * S)]


def test_presence_must_be_confirmed_where_the_zone_says_so():
    tracker = tracker_of(circle(confirm_ms=30 * S))
    assert fix(tracker, 0, 1 * S) == []
    assert fix(tracker, 0, 20 * S) == []
    assert fix(tracker, 110, 25 * S) == []  # not inside: the count starts anew
    assert fix(tracker, 0, 40 * S) == []
    assert fix(tracker, 0, 69 * S) == []
    assert fix(tracker, 0, 70 * S) == [("ENTER", "FIX", 0, 70 * S)]


def test_leaving_must_be_confirmed_where_the_zone_says_so_and_stops_the_dwell():
    tracker = tracker_of(circle(exit_confirm_ms=30 * S, dwells_ms=(10 * S,)))
    fix(tracker, 0, 1 * S)
    assert fix(tracker, 500, 5 * S) == []
    assert short(tracker.tick(20 * S)) == []
    assert fix(tracker, 0, 25 * S) == [("DWELL", "FIX", 0, 25 * S)]
    assert fix(tracker, 500, 30 * S) == []
    assert fix(tracker, 500, 59 * S) == []
    assert fix(tracker, 500, 60 * S) == [("EXIT", "FIX", 0, 60 * S)]


def test_a_dwell_fires_without_a_further_fix_once_a_visit():
    tracker = tracker_of(circle(dwells_ms=(60 * S, 120 * S)))
    fix(tracker, 0, 1 * S)
    assert short(tracker.tick(60 * S)) == []
    assert short(tracker.tick(61 * S)) == [("DWELL", "TIMER", 0, 61 * S)]
    assert short(tracker.tick(62 * S)) == []
    assert fix(tracker, 0, 200 * S) == [("DWELL", "TIMER", 0, 121 * S)]
    assert fix(tracker, 300, 300 * S) == [("EXIT", "FIX", 0, 300 * S)]
    assert fix(tracker, 0, 400 * S) == [("ENTER", "FIX", 0, 400 * S)]
    assert short(tracker.tick(460 * S)) == [("DWELL", "TIMER", 0, 460 * S)]


def test_a_timer_due_by_the_fix_comes_before_the_exit_it_causes():
    tracker = tracker_of(circle(dwells_ms=(60 * S,)))
    fix(tracker, 0, 0)
    assert fix(tracker, 500, 60 * S) == [("DWELL", "TIMER", 0, 60 * S), ("EXIT", "FIX", 0, 60 * S)]


def test_exits_come_before_enters_and_zones_ascend():
    def at(name: str, east_m: float) -> Zone:
        return Zone(id=name, shape=Circle(lon=LON + east_m / EAST_M, lat=LAT, radius_m=50))

    tracker = tracker_of(at("a", 1_000), at("b", 0), at("c", 1_000), at("d", 0))
    assert [k[2] for k in fix(tracker, 0, 1 * S)] == [1, 3]
    moved = fix(tracker, 1_000, 2 * S)
    assert [(k[0], k[2]) for k in moved] == [("EXIT", 1), ("EXIT", 3), ("ENTER", 0), ("ENTER", 2)]


def test_known_late_future_and_old_fixes_move_nobody():
    rules = TrackingRules(teleport_mps=0, stale_ms=0, close_ms=0, age_ms_max=3_600 * S)
    tracker = tracker_of(circle(), rules=rules)
    now = 10_000 * S
    fix(tracker, 0, now)
    for east_m, t, status in (
        (500, now, Status.DUPLICATE),
        (500, now - 60 * S, Status.LATE),
        (500, now - 60 * S, Status.DUPLICATE),
        (500, now + 301 * S, Status.FUTURE),
        (500, now - 3_601 * S, Status.TOO_OLD),
    ):
        seen = send(tracker, east_m, t, now=now)
        assert seen.status.tolist() == [status]
        assert short(seen.transitions) == []
    assert tracker.occupancy().tolist() == [1]


def test_backlog_marks_what_comes_of_it_and_the_clock_waits_for_news():
    tracker = tracker_of(circle(dwells_ms=(60 * S,)))
    now = 100_000 * S
    assert fix(tracker, 0, 1 * S, flags=PingFlag.BACKLOG, now=now) == [
        ("ENTER", "BACKLOG", 0, 1 * S)
    ]
    assert short(tracker.tick(now + S)) == []
    assert fix(tracker, 500, 70 * S, flags=PingFlag.BACKLOG, now=now) == [
        ("DWELL", "BACKLOG", 0, 61 * S), ("EXIT", "BACKLOG", 0, 70 * S),
    ]  # fmt: skip


def test_a_single_wild_fix_makes_no_transition_and_two_that_agree_do():
    rules = TrackingRules(teleport_mps=70, stale_ms=0, close_ms=0)
    tracker = tracker_of(circle(dwells_ms=(20 * S,)), rules=rules)
    fix(tracker, 0, 1 * S)
    wild = send(tracker, 50_000, 11 * S)
    assert wild.status.tolist() == [Status.SUSPECT]
    assert short(wild.transitions) == []
    assert short(tracker.tick(30 * S)) == []  # timers stop while it waits
    assert send(tracker, 50_000, 11 * S).status.tolist() == [Status.DUPLICATE]
    assert fix(tracker, 0, 31 * S) == [("DWELL", "FIX", 0, 31 * S)]
    send(tracker, 50_000, 41 * S)
    assert fix(tracker, 50_010, 51 * S) == [("EXIT", "FIX", 0, 51 * S)]


def test_a_mock_location_waits_for_a_second_one():
    tracker = tracker_of(circle(), rules=TrackingRules(stale_ms=0, close_ms=0))
    assert fix(tracker, 0, 1 * S, flags=PingFlag.MOCK) == []
    assert fix(tracker, 5, 2 * S, flags=PingFlag.MOCK) == [("ENTER", "FIX", 0, 2 * S)]
    assert send(tracker, 9, 3 * S, flags=PingFlag.MOCK).status.tolist() == [Status.ACCEPTED]


def test_silence_leaves_the_occupancy_then_closes_and_a_fix_revives():
    rules = TrackingRules(stale_ms=600 * S, close_ms=1_800 * S)
    tracker = tracker_of(circle(dwells_ms=(700 * S,)), rules=rules)
    fix(tracker, 0, 1 * S)
    assert short(tracker.tick(600 * S)) == []
    assert tracker.occupancy().tolist() == [1]
    assert short(tracker.tick(601 * S)) == []
    assert tracker.occupancy().tolist() == [0]
    assert tracker.inside(0).tolist() == []
    assert tracker.zones_of(0) == [(0, 1 * S)]
    assert short(tracker.tick(800 * S)) == []  # the timer stops
    assert fix(tracker, 0, 900 * S) == [("DWELL", "FIX", 0, 900 * S)]
    assert tracker.occupancy().tolist() == [1]
    assert short(tracker.tick(2_699 * S)) == []
    assert short(tracker.tick(2_700 * S)) == [("EXIT", "TIMEOUT", 0, 900 * S)]
    assert fix(tracker, 0, 2_800 * S) == [("ENTER", "FIX", 0, 2_800 * S)]


def test_an_edit_judges_the_last_fix_anew_and_says_so():
    tracker = tracker_of(circle())
    fix(tracker, 0, 1 * S)
    fix(tracker, 500, 1 * S, who=1)
    wide = circle(shape=Circle(lon=LON, lat=LAT, radius_m=600))
    assert short(tracker.put_zones([wide], 9 * S)) == [("ENTER", "EDIT", 0, 9 * S)]
    away = circle(shape=Circle(lon=LON + 500 / EAST_M, lat=LAT, radius_m=50))
    assert short(tracker.put_zones([away], 10 * S)) == [("EXIT", "EDIT", 0, 10 * S)]
    assert tracker.inside(0).tolist() == [1]
    assert short(tracker.remove_zones(["c"], 11 * S)) == [("EXIT", "EDIT", 0, 11 * S)]
    assert tracker.occupancy().tolist() == [0]
    with pytest.raises(ZoneUnknown):
        tracker.zone_slot("c")
    assert fix(tracker, 500, 20 * S, who=1) == []


def test_new_dwells_fire_only_where_their_instant_is_still_to_come():
    tracker = tracker_of(circle(dwells_ms=(60 * S,)))
    fix(tracker, 0, 0)
    tracker.put_dwells("c", (10 * S, 90 * S), 30 * S)
    assert short(tracker.tick(60 * S)) == []
    assert short(tracker.tick(90 * S)) == [("DWELL", "TIMER", 0, 90 * S)]


def test_a_dwell_told_by_a_phone_ahead_of_the_engine_is_not_told_again_by_new_dwells():
    tracker = tracker_of(circle(dwells_ms=(60 * S,)))
    fix(tracker, 0, 0)
    assert fix(tracker, 0, 70 * S, now=20 * S) == [("DWELL", "TIMER", 0, 60 * S)]
    tracker.put_dwells("c", (60 * S, 90 * S), 20 * S)
    assert short(tracker.tick(90 * S)) == [("DWELL", "TIMER", 0, 90 * S)]


@pytest.mark.parametrize(
    "shape",
    [
        Circle(lon=LON, lat=LAT, radius_m=100),
        Area(parts=((tuple((LON + x / EAST_M, LAT + y / EAST_M)
                           for x, y in ((-100, -90), (100, -90), (100, 90), (-100, 90),
                                        (-100, -90))),),)),
    ],
)  # fmt: skip
def test_a_crossing_between_two_fixes_outside_is_reported_at_its_instant(shape: Circle | Area):
    tracker = tracker_of(circle(shape=shape, report_cross=True))
    fix(tracker, -500, 0)
    [(kind, cause, zone, at)] = fix(tracker, 500, 10 * S)
    assert (kind, cause, zone) == ("CROSS", "FIX", 0)
    assert at == pytest.approx(4 * S, abs=20)
    assert tracker.occupancy().tolist() == [0]
    assert fix(tracker, 600, 20 * S) == []


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 9))
def test_batch_borders_change_nothing(seed: int, batch: int):
    whole, tracker = scenario.play(seed, 60, 10_000)
    parts, other = scenario.play(seed, 60, batch)

    def moves(lines: list[str]) -> list[str]:
        return [line for line in lines if line.count(" ") == 8 and "," not in line]

    assert moves(parts) == moves(whole)
    assert scenario.digest(other) == scenario.digest(tracker)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 59))
def test_a_restored_tracker_goes_on_bit_for_bit(seed: int, cut: int):
    def step(tracker: Tracker, now: int, pings: Pings) -> list[str]:
        seen = tracker.observe(pings, now)
        return scenario.text(seen.transitions) + scenario.text(tracker.tick(now))

    first = Tracker(scenario.RULES)
    first.visitors_grow(scenario.VISITORS)
    first.put_zones(scenario.ZONES, 0)
    rounds = scenario.stream(seed, 60)
    for now, pings in rounds[:cut]:
        step(first, now, pings)
    second = Tracker.restore(scenario.RULES, scenario.ZONES, first.snapshot())
    assert scenario.digest(second) == scenario.digest(first)
    for now, pings in rounds[cut:]:
        assert step(first, now, pings) == step(second, now, pings)
    assert scenario.digest(second) == scenario.digest(first)


def test_the_kernels_do_the_same_uncompiled():
    played, tracker = scenario.play(3, 60, 64)
    lines = hashlib.sha256("\n".join(played).encode()).hexdigest()
    told = f"{lines} {scenario.digest(tracker)}"
    plain = subprocess.run(
        [sys.executable, str(Path(scenario.__file__))],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1",
             "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert plain.stdout.strip() == told


def test_a_forgotten_visitor_leaves_no_trace():
    tracker = tracker_of(circle(dwells_ms=(10 * S,)))
    fix(tracker, 0, 1 * S)
    tracker.forget(0)
    assert tracker.last_fix(0) is None
    assert tracker.zones_of(0) == []
    assert tracker.occupancy().tolist() == [0]
    assert short(tracker.tick(100 * S)) == []
    assert not tracker.snapshot()["visitors"]["lon"].any()


def test_bad_batches_are_refused_whole():
    tracker = tracker_of(circle())
    with pytest.raises(PingsInvalid, match="out of range"):
        fix(tracker, math.nan, 1 * S)
    with pytest.raises(PingsInvalid, match="out of range"):
        fix(tracker, 0, 1 * S, who=4)
    empty = np.zeros(1, np.int32)
    with pytest.raises(PingsInvalid, match="fix_ms"):
        tracker.observe(Pings(*[empty] * 7), 0)  # type: ignore[arg-type]
    assert tracker.last_fix(0) is None


def test_bad_rules_zones_and_snapshots_are_refused():
    with pytest.raises(RulesInvalid):
        TrackingRules(stale_ms=-1)
    with pytest.raises(RulesInvalid):
        TrackingRules(stale_ms=100, close_ms=50)
    tracker = tracker_of(circle())
    for zone in (
        circle(shape=Circle(lon=0, lat=0, radius_m=-1)),
        circle(shape=Area(parts=((((0, 0), (1, math.nan), (1, 1), (0, 0)),),))),
        circle(dwells_ms=(0,)),
    ):
        with pytest.raises(ZoneInvalid):
            tracker.put_zones([zone], 0)
    with pytest.raises(SnapshotInvalid):
        Tracker.restore(OFF, [], tracker.snapshot())
    with pytest.raises(SnapshotInvalid):
        Tracker.restore(OFF, [], {})
