"""The same log gives the same rulings: in any batches, and across a snapshot at any point."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.columns import Cause, Kind
from rules.campaigns import (
    Broadcast,
    Cap,
    Dwell,
    Enter,
    Event,
    Exit,
    Experiment,
    LevelChange,
    Near,
    QuietHours,
    Restraint,
    RestraintSettings,
    Weekly,
)
from rules.decider import Decider
from rules.decisions import Decision
from rules.errors import SnapshotError
from rules.facts import EventFacts
from tests.rules.world import ANNECY, LAKE, NOON, PIER, TOWN, Row, World, campaign, transitions

VISITORS = 3
SETTINGS = RestraintSettings(
    global_cap=Cap(count=3, period_s=120),
    per_visitor=Cap(count=2, period_s=90),
    tag_caps={"food": Cap(count=1, period_s=60)},
    quiet_hours=QuietHours(start="12:03", end="12:05", rule="hold"),
    arbitration_window_ms=2_000,
    push_max_fix_age_s=30,
)
CAMPAIGNS = (
    (campaign("enter", priority=2, restraint=Restraint(cooldown_s=20)), (LAKE, PIER)),
    (campaign("info", kind="information", restraint=Restraint(arbitrate=False)), (LAKE, TOWN)),
    (campaign("exit", trigger=Exit(zones=("lake",)), tags=("food",)), (LAKE,)),
    (campaign("dwell", trigger=Dwell(zones=("lake",), after_s=10), tags=("food",)), (LAKE, TOWN)),
    (campaign("near", trigger=Near(places=("pier-place",), within_m=50.0)), (PIER,)),
    (campaign("event", condition=Event(event="paddle")), (TOWN,)),
    (campaign("opens", condition=Weekly(start="12:02", end="12:04"), on_open_if_inside="fire",
              restraint=Restraint(zone_cooldown_s=30)), (TOWN, LAKE)),
    (campaign("half", experiment=Experiment(holdout=0.5), restraint=Restraint(total=4)), (PIER,)),
    (campaign("red", kind="alert", trigger=LevelChange(zones=("lake",), to=("full",))), (LAKE,)),
    (campaign("all", kind="alert", trigger=Broadcast(zones=("lake",))), (LAKE,)),
)  # fmt: skip


class Tick(NamedTuple):
    ahead_s: int
    level: int


class Failed(NamedTuple):
    which: int


class Edit(NamedTuple):
    which: int
    live: bool


moves = st.tuples(
    st.integers(0, VISITORS - 1),
    st.sampled_from((LAKE, TOWN, PIER)),
    st.sampled_from((Kind.ENTER, Kind.EXIT, Kind.DWELL)),
    st.sampled_from((Cause.FIX, Cause.FIX, Cause.FIX, Cause.TIMER, Cause.TIMEOUT, Cause.EDIT)),
    st.integers(-40_000, 1_000),
)
logs = st.lists(
    st.one_of(
        moves,
        moves,
        moves,
        st.builds(Tick, st.sampled_from((1, 1, 1, 2, 5, 60)), st.integers(0, 5)),
        st.builds(Failed, st.integers(0, 5)),
        st.builds(Edit, st.integers(0, len(CAMPAIGNS) - 1), st.booleans()),
    ),
    min_size=1,
    max_size=60,
)


class Engine:
    """As the engine would: gathers moves to batches of a size, cut at everything else."""

    def __init__(self, batch: int, save_at: int = -1) -> None:
        self.world = World(SETTINGS, visitors=VISITORS)
        self.batch = batch
        self.save_at = save_at
        self.pending: list[Row] = []
        self.made: list[Decision] = []
        self.slots: list[int] = []
        start_ms = NOON + 150_000
        self.world.facts.put_event(
            EventFacts(id="paddle", start_ms=start_ms, end_ms=start_ms + 60_000, zone_slots=(TOWN,))
        )
        for each, zones in CAMPAIGNS:
            self.world.put(each, zones)

    def run(self, log: list[Any]) -> list[Decision]:
        for position, entry in enumerate(log):
            if position == self.save_at:
                self.flush()
                self.save()
            match entry:
                case Tick():
                    self.flush()
                    self.world.facts.levels = bytes((entry.level, 0, 0))
                    self.keep(self.world.tick(entry.ahead_s))
                case Failed():
                    self.flush()
                    self.fail(entry.which)
                case Edit():
                    self.flush()
                    each, zones = CAMPAIGNS[entry.which]
                    status: Any = "live" if entry.live else "paused"
                    edited = msgspec.structs.replace(each, status=status)
                    self.world.put(edited, zones, version=position)
                case _:
                    self.move(position, *entry)
        self.flush()
        self.keep(self.world.tick(1_000))
        return self.made

    def move(
        self, position: int, visitor: int, zone: int, kind: Kind, cause: Cause, off: int
    ) -> None:
        at_ms = self.world.facts.now_ms + off
        enter_ms = at_ms if kind is Kind.ENTER else at_ms - 10_000
        dwell_ms = 10_000 if kind is Kind.DWELL else 0
        self.pending.append((visitor, zone, kind, cause, at_ms, enter_ms, dwell_ms, position))
        if len(self.pending) >= self.batch:
            self.flush()

    def flush(self) -> None:
        if self.pending:
            found, positions = transitions(self.pending)
            self.pending = []
            world = self.world
            self.keep(world.decider.on_transitions(found, positions, world.facts))
            # The tracker of this world: who is where follows the last row about it.
            for visitor, zone, kind in zip(found.visitor, found.zone, found.kind, strict=True):
                key = int(visitor), int(zone)
                if kind == Kind.ENTER:
                    world.entered[key] = world.facts.now_ms
                elif kind == Kind.EXIT:
                    world.entered.pop(key, None)

    def keep(self, rulings: Any) -> None:
        self.made += [each.decision() for each in rulings]
        self.slots += [each.visitor for each in rulings]

    def fail(self, which: int) -> None:
        sent = [at for at, each in enumerate(self.made) if each.verdict == "send"]
        if which < len(sent):
            at = sent[-1 - which]
            self.world.decider.release(self.made[at].id, self.slots[at])

    def save(self) -> None:
        state = self.world.decider.snapshot()
        carried = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
        self.world.decider = Decider.restore(ANNECY, SETTINGS, carried)
        again = self.world.decider.snapshot()
        assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(state)


@given(logs)
def test_batch_borders_change_nothing(log: list[Any]) -> None:
    one = Engine(1).run(log)
    assert Engine(64).run(log) == one
    assert Engine(3).run(log) == one


@given(logs, st.integers(0, 59))
def test_a_restored_decider_goes_on_as_if_nothing_had_happened(
    log: list[Any], save_at: int
) -> None:
    assert Engine(64, save_at).run(log) == Engine(64).run(log)


@given(logs)
def test_ids_tell_decisions_apart(log: list[Any]) -> None:
    made = Engine(64).run(log)
    causes = {(d.id, d.campaign, d.visitor, d.trigger.zone, d.trigger.at_ms) for d in made}
    assert len({d.id for d in made}) == len(causes)


CAPS = st.builds(Cap, count=st.integers(1, 3), period_s=st.integers(1, 90))


@settings(max_examples=60)
@given(
    caps=st.lists(CAPS, min_size=3, max_size=3),
    total=st.integers(1, 8),
    window_ms=st.sampled_from((0, 2_000)),
    log=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from((LAKE, TOWN)), st.integers(0, 20)),
        min_size=5,
        max_size=40,
    ),
)
def test_many_campaigns_at_once_never_pass_a_cap(
    caps: list[Cap], total: int, window_ms: int, log: list[tuple[int, int, int]]
) -> None:
    of_one, of_tag, of_all = caps
    world = World(
        RestraintSettings(
            global_cap=of_all,
            tag_caps={"food": of_tag},
            per_visitor=of_one,
            quiet_hours=None,
            arbitration_window_ms=window_ms,
        ),
        visitors=3,
    )
    tagged = {f"c{n}" for n in range(0, 12, 2)}
    for n in range(12):
        each = campaign(
            f"c{n}",
            tags=("food",) if f"c{n}" in tagged else (),
            trigger=Enter(zones=("lake",)),
            restraint=Restraint(total=total),
        )
        world.put(each, [LAKE, TOWN])
    found = []
    for visitor, zone, ahead_s in log:
        found += world.enter(visitor, zone)
        found += world.tick(ahead_s)
    found += world.tick(100)
    sent = [each for each in found if each.sends]
    assert sent
    for visitor in range(3):
        mine = [each for each in sent if each.visitor == visitor]
        holds(of_all, [each.decided_ms for each in mine])
        holds(of_tag, [each.decided_ms for each in mine if each.campaign_id in tagged])
        for name in {each.campaign_id for each in mine}:
            holds(of_one, [each.decided_ms for each in mine if each.campaign_id == name])
    for name in {each.campaign_id for each in sent}:
        assert sum(each.campaign_id == name for each in sent) <= total


def holds(cap: Cap, sent_ms: list[int]) -> None:
    """No window of the cap's length, ending at any send, has more sends than allowed."""
    times = np.sort(np.array(sent_ms, np.int64))
    for at in times:
        within = np.count_nonzero((times <= at) & (times > at - cap.period_s * 1000))
        assert within <= cap.count


def test_a_snapshot_of_another_format_is_refused() -> None:
    with pytest.raises(SnapshotError):
        Decider.restore(ANNECY, SETTINGS, {"format": 99})
