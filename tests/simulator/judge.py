"""The judge: replays what the log says on an engine of its own, and holds a run to its promises.

Each promise is one method that returns what is wrong, in words. What the judge believes of the
log it reads from the log's files; everything else it was told by those whom the engine answered.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from engine.effects import Effects, Visit
from engine.frozen import freeze, parts
from engine.motor import completed
from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.records import Consent, Erasure, PingRows, Record, Tick, rebatch
from geofence.columns import Kind, Status
from rules.decisions import Decision
from tests.simulator.provider import Taken
from tests.simulator.world import CAMPAIGN_CAP, FIX_AGE_S, GLOBAL_CAP, RESTRAINT, TOTAL

Ping = tuple[str, int, float, float]


def pings_of(rows: PingRows) -> list[Ping]:
    """Who was where when, of a record."""
    import numpy as np

    columns = rows.columns(np.arange(len(rows.visitors), dtype=np.int32))
    return [
        (rows.visitors[v], fix_ms, lon, lat)
        for v, fix_ms, lon, lat in zip(
            columns.visitor.tolist(),
            columns.fix_ms.tolist(),
            columns.lon.tolist(),
            columns.lat.tolist(),
            strict=True,
        )
    ]


def state_of(pipeline: Pipeline) -> dict[str, Any]:
    """Every bit of a pipeline's state, by part."""
    out: dict[str, Any] = {}
    for part in parts(freeze(pipeline)):
        value: Any = part.value
        out[part.name] = value.tobytes() if hasattr(value, "tobytes") else b"".join(value)
    return out


class Judge:
    """One run's judge. `wrongs` is what was found so far."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        self.wrongs: list[str] = []
        self.history: list[Record] = []
        # What the doors said, by those who asked.
        self.submitted: Counter[Ping] = Counter()
        self.acknowledged: Counter[Ping] = Counter()
        self.accepted: list[Ping] = []
        self.entries_asked: Counter[bytes] = Counter()
        self.entries_acknowledged: Counter[bytes] = Counter()
        self.versions: set[tuple[str, str, int]] = set()
        # The judge's own engine.
        self.pipeline = Pipeline(restraint=RESTRAINT)
        self._planner = Planner(self.pipeline, channels)
        self._applied = 0
        self.decisions: dict[str, Decision] = {}
        self.visits: dict[tuple[Any, ...], Visit] = {}
        self.ever_sent: dict[str, Decision] = {}
        self.life_of: dict[str, int] = {}
        self._lives: Counter[str] = Counter()
        self._inside: dict[tuple[int, int], int] = {}
        self._dwelt: set[tuple[int, int]] = set()
        self.made: list[str] = []
        self._now_ms = 0

    @property
    def end(self) -> int:
        return self.history[-1].end if self.history else 0

    def wrong(self, what: str) -> None:
        if len(self.wrongs) < 20:
            self.wrongs.append(what)

    def read(self, records: Iterator[Record]) -> None:
        """Go on in the history with what the log holds behind it."""
        for record in records:
            if record.position < self.end:
                continue
            if record.position > self.end:
                self.wrong(f"the log skips from {self.end} to {record.position}")
            self.history.append(record)

    # -- the judge's own run -----------------------------------------------------------

    def catch_up(self) -> None:
        """Apply what has come into the history."""
        for record in self.history[self._applied :]:
            self._apply(record)
        self._applied = len(self.history)

    def _apply(self, record: Record) -> None:
        entry = record.entry
        if isinstance(entry, Tick):
            if entry.now_ms < self._now_ms:
                self.wrong(f"ticks go back from {self._now_ms} to {entry.now_ms}")
            self._now_ms = entry.now_ms
        slot = None
        if isinstance(entry, Erasure | Consent):
            slot = self.pipeline.visitors.find_slot(entry.visitor)
        effects = completed(self.pipeline.apply(record), self.pipeline, self._planner)
        if isinstance(entry, PingRows):
            self._check_consent(entry)
        self._follow(effects)
        if slot is not None and (isinstance(entry, Erasure) or not self._locatable(slot)):
            self._inside = {key: at for key, at in self._inside.items() if key[0] != slot}

    def _locatable(self, slot: int) -> bool:
        return self.pipeline.visitors.at(slot).allows("location")

    def _check_consent(self, rows: PingRows) -> None:
        for visitor in rows.visitors:
            state = self.pipeline.visitors.find(visitor)
            if state is None or not state.allows("location"):
                self.wrong(f"a ping of {visitor}, who has not consented, is in the log")

    def _follow(self, effects: Effects) -> None:
        if effects.transitions is not None:
            self._movement(effects)
        for decision in effects.decisions:
            self._decided(decision)
        for visit in effects.visits:
            self.visits[(visit.visitor, visit.zone, visit.visit)] = visit
        for visitor in effects.erased:
            self._lives[visitor] += 1
            self.decisions = {k: d for k, d in self.decisions.items() if d.visitor != visitor}
            self.visits = {k: v for k, v in self.visits.items() if v.visitor != visitor}

    def _decided(self, decision: Decision) -> None:
        if decision.id in self.ever_sent or decision.id in self.decisions:
            self.wrong(f"decision {decision.id} is made twice")
        self.made.append(decision.id)
        self.decisions[decision.id] = decision
        self.life_of[decision.id] = self._lives[decision.visitor]
        if decision.verdict != "send":
            return
        self.ever_sent[decision.id] = decision
        late_ms = self._now_ms - decision.trigger.at_ms
        most_ms = (FIX_AGE_S + 3) * 1000 + 60_000  # the window's last tick may come late
        if decision.trigger.kind in ("enter", "exit") and late_ms > most_ms:
            self.wrong(f"decision {decision.id} pushes for a fix of {late_ms} ms ago")

    def _movement(self, effects: Effects) -> None:
        """Exit follows enter; a dwell comes once a visit, and only during one."""
        t = effects.transitions
        assert t is not None
        for i, kind in enumerate(t.kind.tolist()):
            key = (int(t.visitor[i]), int(t.zone[i]))
            visit = int(t.visit[i])
            if kind == Kind.ENTER:
                if key in self._inside:
                    self.wrong(f"visitor slot {key[0]} enters zone slot {key[1]} twice")
                self._inside[key] = visit
            elif kind in (Kind.EXIT, Kind.DWELL):
                if self._inside.get(key) != visit:
                    self.wrong(f"{Kind(kind).name} of visit {visit}, which is not in progress")
                if kind == Kind.EXIT:
                    self._inside.pop(key, None)
                elif (visit, int(t.dwell_ms[i])) in self._dwelt:
                    self.wrong(f"visit {visit} dwells twice")
                else:
                    self._dwelt.add((visit, int(t.dwell_ms[i])))

    # -- promises ------------------------------------------------------------------------

    def conservation(self) -> None:
        """What was acknowledged is in the log; what is in the log was submitted, as often."""
        logged: Counter[Ping] = Counter()
        entries: Counter[bytes] = Counter()
        for record in self.history:
            if isinstance(record.entry, PingRows):
                logged.update(pings_of(record.entry))
            else:
                entries[msgspec.msgpack.encode(record.entry)] += 1
        for ping in self.acknowledged - logged:
            self.wrong(f"the acknowledged ping {ping} is not in the log")
        for ping in logged - self.submitted:
            self.wrong(f"the ping {ping} is in the log more often than it was sent")
        for entry in self.entries_acknowledged - entries:
            self.wrong(f"the acknowledged entry {entry[:80]!r} is not in the log")
        found = {
            (change.kind, change.id, change.version)
            for record in self.history
            for change in getattr(record.entry, "changes", ())
        }
        for version in self.versions - found:
            self.wrong(f"the acknowledged change {version} is not in the log")

    def no_fix_twice(self) -> None:
        """Of one fix sent twice, one is accepted."""
        for ping, count in Counter(self.accepted).items():
            if count > 1:
                self.wrong(f"the fix {ping[:2]} was accepted {count} times")

    def same_state(self, pipeline: Pipeline, when: str) -> None:
        """The engine's state is, bit for bit, that of a run which nothing interrupted."""
        mine, its = state_of(self.pipeline), state_of(pipeline)
        for name, value in mine.items():
            if its.get(name) != value:
                self.wrong(f"{when}, part {name} of the state is not what the log says")

    def same_decisions(self, stored: Sequence[Decision]) -> None:
        """The store holds each decision of an uninterrupted run, once."""
        its = {decision.id: decision for decision in stored}
        if len(its) < len(stored):
            self.wrong("the store holds a decision twice")
        for decision_id in self.decisions.keys() - its.keys():
            self.wrong(f"decision {self.decisions[decision_id]} is not in the store")
        for decision_id in its.keys() - self.decisions.keys():
            self.wrong(f"decision {its[decision_id]} is in the store and follows from nothing")
        for decision_id in its.keys() & self.decisions.keys():
            if its[decision_id] != self.decisions[decision_id]:
                self.wrong(f"decision {decision_id} differs from an uninterrupted run's")

    def same_visits(self, stored: Sequence[Visit]) -> None:
        its = {(v.visitor, v.zone, v.visit): v for v in stored}
        if its != self.visits:
            differing = set(its.items()) ^ set(self.visits.items())
            self.wrong(f"visits differ from an uninterrupted run's: {sorted(differing)[:2]}")

    def same_in_other_batches(self, size: int) -> None:
        """Batch borders change nothing."""
        other = Pipeline(restraint=RESTRAINT)
        made = [
            ruling.decision().id
            for record in rebatch(self.history, size)
            for ruling in other.apply(record).rulings
        ]
        if made != self.made:
            self.wrong(f"in batches of {size} other decisions are made")
        self.same_state(other, f"in batches of {size}")

    def pushed_once(self, taken: Sequence[Taken], rows: dict[str, Any]) -> None:
        """A phone is told once, and what was in doubt is counted."""
        counts = Counter(each.notification for each in taken)
        tags: dict[str, set[str]] = defaultdict(set)
        for each in taken:
            tags[each.notification].add(each.tag)
            if each.decision not in self.ever_sent:
                self.wrong(f"a push follows from no decision: {each}")
        for notification_id, row in rows.items():
            count = counts.pop(notification_id, 0)
            most = 1 if row.notification.in_doubt == "drop" else 1 + row.doubts
            if count > most:
                self.wrong(f"{notification_id} reached the phone {count} times of at most {most}")
            if row.state == "sent" and not count:
                self.wrong(f"{notification_id} counts as sent and was not")
            if count and row.state != "sent" and not row.doubts:
                self.wrong(f"{notification_id} reached the phone and counts as {row.state}")
            if row.state in ("queued", "retry", "sending", "in_doubt"):
                self.wrong(f"{notification_id} is {row.state} for ever")
            if len(tags[notification_id]) > 1:
                self.wrong(f"{notification_id} was sent under several tags")
        for notification_id, count in counts.items():  # erased since
            if count > 1 and len(tags[notification_id]) > 1:
                self.wrong(f"{notification_id} reached the phone {count} times")

    def caps_hold(self, taken: Sequence[Taken]) -> None:
        """Nobody hears more than the caps allow, whatever failed meanwhile."""
        told: dict[tuple[Any, ...], set[tuple[int, str]]] = defaultdict(set)
        totals: dict[str, set[str]] = defaultdict(set)
        for each in taken:
            decision = self.ever_sent.get(each.decision)
            if decision is None or decision.campaign == "red":
                continue
            at = (decision.decided_ms, decision.id)
            who = (decision.visitor, self.life_of[decision.id])
            told[(*who, decision.campaign)].add(at)
            if decision.campaign != "bye":
                told[(*who, None)].add(at)
            totals[decision.campaign].add(decision.id)
        for key, sends in told.items():
            cap = GLOBAL_CAP if key[2] is None else CAMPAIGN_CAP
            times = sorted(at_ms for at_ms, _ in sends)
            for first, last in zip(times, times[cap.count :], strict=False):
                if last - first < cap.period_s * 1000:
                    self.wrong(f"{key} hears more than {cap.count} in {cap.period_s} s")
        if len(totals["few"]) > TOTAL:
            self.wrong(f"campaign few speaks {len(totals['few'])} times of at most {TOTAL}")

    def occupancy(self, pipeline: Pipeline) -> None:
        """Zones hold those whose visit is in progress, and nobody who is gone."""
        counted = pipeline.tracker.occupancy().tolist()
        inside = Counter(zone for _, zone in self._inside)
        for slot, count in enumerate(counted):
            if count > inside[slot]:
                self.wrong(f"zone slot {slot} holds {count}, of {inside[slot]} visits in progress")
        live = {pipeline.tracker.zone_slot(zone_id) for zone_id in pipeline.catalogue.all("zone")}
        live |= {pipeline.tracker.zone_slot(zone_id) for zone_id in pipeline.hidden.circles}
        for slot in inside.keys() - live:
            self.wrong(f"a visit to zone slot {slot}, which is gone, goes on")


def accepted(status: Sequence[int], pings: Sequence[Ping]) -> list[Ping]:
    return [p for code, p in zip(status, pings, strict=True) if code == Status.ACCEPTED]
