"""State as a function of the log: records go in one by one, effects come out. No clock, no I/O.

The pipeline joins the rooms: the tracker turns pings into transitions, the crowd book counts, the
decider decides. Engine time is the last tick's, and so is what rules read of crowds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from content.zones import ZoneRecord
from engine.catalogue import CatalogueBook, decode
from engine.crowd import CrowdBook
from engine.effects import Effects
from engine.hidden import HiddenZones, check_dwells
from engine.occasions import Occasions
from engine.records import (
    Catalogue,
    Consent,
    Counter,
    Device,
    Erasure,
    Feed,
    Outcomes,
    Override,
    PingRows,
    Profile,
    Record,
    Tick,
)
from engine.visitors import VisitorBook
from geofence.columns import I64, Kind, Transitions
from geofence.geodesy import area_m2
from geofence.shapes import Zone
from geofence.tracker import Tracker, TrackingRules
from rules.campaigns import RestraintSettings
from rules.decider import Decider
from rules.facts import LEVEL_OF, Destination, Facts, FeedFacts, Level, ZoneFacts
from rules.rulings import Ruling

# Where a destination has not said where it is, times are UTC and the sun that of Greenwich.
NOWHERE = Destination(time_zone="UTC", lat=51.48, lon=0.0)

NO_POSITIONS: I64 = np.empty(0, np.int64)


class Pipeline:
    """One engine's state. `now_ms` is the last tick, `end` the position after the last record."""

    def __init__(
        self,
        *,
        tracking: TrackingRules | None = None,
        restraint: RestraintSettings | None = None,
    ) -> None:
        self.tracker = Tracker(tracking or TrackingRules())
        self.visitors = VisitorBook()
        self.catalogue = CatalogueBook()
        self.crowd = CrowdBook()
        self.facts = Facts(NOWHERE)
        self.facts.presence = TrackerPresence(self.tracker)
        self.decider = Decider(NOWHERE, restraint or RestraintSettings())
        self.occasions = Occasions()
        self.hidden = HiddenZones()
        self.now_ms = 0
        self.end = 0
        # By zone slot: what the zones themselves ask for, and what the tracker was given.
        self.own_dwells_ms: dict[int, tuple[int, ...]] = {}
        self.given_dwells_ms: dict[int, tuple[int, ...]] = {}
        self._apply = {
            PingRows: self._pings,
            Tick: self._tick,
            Catalogue: self._catalogue,
            Device: self._device,
            Consent: self._consent,
            Profile: self._profile,
            Feed: self._feed,
            Counter: self._counter,
            Override: self._override,
            Outcomes: self._outcomes,
            Erasure: self._erasure,
        }

    def apply(self, record: Record) -> Effects:
        """Take the next record; returns what it brought about.

        Only a catalogue change can be refused: it raises GeofenceError, ContentError or
        msgspec.ValidationError, and then nothing has changed.
        """
        assert record.position >= self.end, "records come in order"
        handler: Any = self._apply[type(record.entry)]
        effects: Effects = handler(record, record.entry)
        self.end = record.end
        return effects

    # -- what enters ----------------------------------------------------------

    def _pings(self, record: Record, rows: PingRows) -> Effects:
        slots = self.visitors.slots(rows.visitors)
        self.tracker.visitors_grow(len(self.visitors))
        pings = rows.columns(slots)
        seen = self.tracker.observe(pings, self.now_ms)
        positions = np.arange(record.position, record.end, dtype=np.int64)
        rulings = self.decider.on_transitions(
            seen.transitions, positions, self.facts, pings.speed_mps
        )
        return Effects(
            through=record.end, status=seen.status, transitions=seen.transitions, rulings=rulings
        )

    def _tick(self, record: Record, tick: Tick) -> Effects:
        self.now_ms = max(self.now_ms, tick.now_ms)
        transitions = self.tracker.tick(self.now_ms)
        self.crowd.tick(self.now_ms, self.tracker.occupancy())
        self.facts.now_ms = self.now_ms
        self.facts.position = record.position
        self.facts.levels = self.crowd.levels.tobytes()
        self.occasions.refresh(self.now_ms, self.catalogue, self.tracker, self.facts)
        rulings = self._decide(transitions, record.position)
        rulings += self.decider.tick(self.facts)
        return Effects(through=record.end, transitions=transitions, rulings=rulings)

    def _catalogue(self, record: Record, entry: Catalogue) -> Effects:
        # All that can be refused comes first; from there on nothing fails.
        decoded = [None if c.body is None else decode(c.kind, c.body) for c in entry.changes]
        after = self.catalogue.after(entry.changes, decoded)
        kinds = {change.kind for change in entry.changes}
        zone_ids = {change.id for change in entry.changes if change.kind == "zone"}
        put = [r for zone_id in sorted(zone_ids) if (r := after.find("zone", zone_id)) is not None]
        shapes = [self._with_dwells(zone.to_zone()) for zone in put]
        check_dwells(after)
        circles = self.hidden.plan(after)
        moved_in = self.tracker.put_zones([*shapes, *circles.put], self.now_ms)

        known = self.catalogue.all("zone")
        gone = [z for z in sorted(zone_ids) if z in known and after.find("zone", z) is None]
        self._forget_dwells(gone)
        moved_out = self.tracker.remove_zones([*gone, *circles.gone], self.now_ms)
        for change, record_of in zip(entry.changes, decoded, strict=True):
            if change.kind == "campaign" and record_of is None:
                self.decider.remove_campaign(change.id)
        self.catalogue = after
        self._notice_zones(put, shapes)
        if "destination" in kinds:
            self._settle_destination()
        if kinds & {"destination", "zone", "place", "event"}:
            self.occasions.stale()
            self.occasions.refresh(self.now_ms, self.catalogue, self.tracker, self.facts)
        if kinds & {"destination", "zone", "place", "event", "campaign"}:
            self.hidden.settle(circles, self.catalogue, self.tracker, self.facts)
            self._settle_campaigns()
        moved = _joined([moved_in, moved_out])
        return Effects(
            through=record.end,
            transitions=moved,
            rulings=self._decide(moved, record.position),
            changes=entry.changes,
        )

    def _device(self, record: Record, device: Device) -> Effects:
        before = self.visitors.owner(device.device)
        slot = self.visitors.put_device(device)
        self._know(slot)
        if before is not None and before != slot:
            self._know(before)  # its languages were the device's
        return Effects(through=record.end, devices=(device,))

    def _consent(self, record: Record, consent: Consent) -> Effects:
        slot = self.visitors.consent(consent)
        self._know(slot)
        if not self.visitors.at(slot).allows("location"):
            self.tracker.forget(slot)
        return Effects(through=record.end, consents=(consent,))

    def _profile(self, record: Record, profile: Profile) -> Effects:
        self._know(self.visitors.put_profile(profile))
        return Effects(through=record.end, profiles=(profile,))

    def _feed(self, record: Record, feed: Feed) -> Effects:
        before = self.facts.feeds.get(feed.name)
        if before is None or feed.at_ms >= before.at_ms:
            self.facts.feeds[feed.name] = FeedFacts(value=feed.value, at_ms=feed.at_ms)
        return Effects(through=record.end)

    def _counter(self, record: Record, counter: Counter) -> Effects:
        if self.catalogue.find("zone", counter.zone) is not None:
            slot = self.tracker.zone_slot(counter.zone)
            self.crowd.counted(slot, persons=counter.persons, at_ms=counter.at_ms)
        return Effects(through=record.end)

    def _override(self, record: Record, override: Override) -> Effects:
        if self.catalogue.find("zone", override.zone) is not None:
            self.crowd.override(
                self.tracker.zone_slot(override.zone),
                level=level_named(override.level),
                until_ms=override.until_ms,
            )
        return Effects(through=record.end)

    def _outcomes(self, record: Record, entry: Outcomes) -> Effects:
        changed = []
        for outcome in entry.outcomes:
            slot = self.visitors.find_slot(outcome.visitor)
            if outcome.releases and slot is not None:
                self.decider.release(outcome.decision, slot)
            device = self.visitors.device(outcome.device)
            if outcome.state == "retired" and device is not None:
                without = _without_address(device, outcome.channel)
                if without != device:
                    changed.append(without)
                    self._know(self.visitors.put_device(without))
        return Effects(through=record.end, outcomes=entry.outcomes, devices=tuple(changed))

    def _erasure(self, record: Record, erasure: Erasure) -> Effects:
        slot = self.visitors.erase(erasure.visitor)
        if slot is not None:
            self.tracker.forget(slot)
            self.decider.forget(slot)
            self.facts.put_visitor(slot, None)
        return Effects(through=record.end, erased=(erasure.visitor,))

    # -- what follows from it ---------------------------------------------------

    def _decide(self, transitions: Transitions, position: int) -> list[Ruling]:
        """Rule on transitions that no ping caused, but the record at `position`."""
        return self.decider.on_transitions(transitions, NO_POSITIONS, self.facts, position=position)

    def _notice_zones(self, records: Sequence[ZoneRecord], zones: Sequence[Zone]) -> None:
        """Tell the crowd book and the facts of zones that the tracker has."""
        for record, zone in zip(records, zones, strict=True):
            slot = self.tracker.zone_slot(zone.id)
            _keep(self.own_dwells_ms, slot, record.dwells_ms())
            _keep(self.given_dwells_ms, slot, zone.dwells_ms)
            self.crowd.put_zone(
                slot, capacity=record.capacity_persons(), penetration=record.penetration
            )
            self.facts.put_zone(
                slot, ZoneFacts(id=zone.id, area_m2=area_m2(zone.shape), tags=record.tags)
            )

    def _settle_destination(self) -> None:
        self.facts.destination = destination_of(self.catalogue)
        self.decider.move(self.facts.destination)

    def _settle_campaigns(self) -> None:
        """Tell the decider which zones each campaign watches now, and the tracker its timers."""
        for version, campaign in self.catalogue.all("campaign").values():
            self.decider.put_campaign(
                campaign,
                self.hidden.slots_of(campaign, self.catalogue, self.tracker),
                version=version,
                now_ms=self.now_ms,
                tell_slots=self.hidden.tell_slots_of(campaign, self.catalogue, self.tracker),
            )
        asked = np.flatnonzero(self.decider.watch & (1 << Kind.DWELL)).tolist()
        for slot in sorted({*asked, *self.given_dwells_ms}):
            dwells_ms = self._dwells_of(slot)
            if dwells_ms != self.given_dwells_ms.get(slot, ()):
                _keep(self.given_dwells_ms, slot, dwells_ms)
                self.tracker.put_dwells(self.tracker.zone_ids[slot], dwells_ms, self.now_ms)

    def _dwells_of(self, slot: int) -> tuple[int, ...]:
        """The dwell times that a zone and the campaigns ask for, ascending."""
        own = self.own_dwells_ms.get(slot, ())
        return tuple(sorted({*own, *self.decider.dwells_ms(slot)}))

    def _with_dwells(self, zone: Zone) -> Zone:
        """A zone with what campaigns ask of it already: an edit must not stop their timers."""
        if self.catalogue.find("zone", zone.id) is None:
            return zone
        asked = self.decider.dwells_ms(self.tracker.zone_slot(zone.id))
        return msgspec.structs.replace(zone, dwells_ms=tuple(sorted({*zone.dwells_ms, *asked})))

    def _forget_dwells(self, zone_ids: Sequence[str]) -> None:
        for zone_id in zone_ids:
            slot = self.tracker.zone_slot(zone_id)
            _keep(self.own_dwells_ms, slot, ())
            _keep(self.given_dwells_ms, slot, ())

    def _know(self, slot: int) -> None:
        """Bring a visitor's facts up to date."""
        self.tracker.visitors_grow(len(self.visitors))
        self.facts.put_visitor(slot, self.visitors.at(slot).facts())


class TrackerPresence:
    """What the decider may ask of the tracker."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def inside(self, zone: int) -> Sequence[int]:
        slots: list[int] = self._tracker.inside(zone).tolist()
        return slots

    def is_inside(self, visitor: int, zone: int) -> bool:
        return self.enter_ms(visitor, zone) is not None

    def enter_ms(self, visitor: int, zone: int) -> int | None:
        return dict(self._tracker.zones_of(visitor)).get(zone)

    def last_seen_ms(self, visitor: int, zone: int) -> int | None:  # noqa: ARG002
        """Nobody can say: past visits are not kept here, and the tracker is ahead of the tick."""
        return None


def _without_address(device: Device, channel: str) -> Device:
    """A device without the address that a channel found dead."""
    if channel == "webpush":
        return msgspec.structs.replace(device, web_push=None)
    return msgspec.structs.replace(device, push_token="")


def destination_of(catalogue: CatalogueBook) -> Destination:
    """Where the catalogue says that the destination is."""
    found = catalogue.destination
    if found is None:
        return NOWHERE
    return Destination(
        time_zone=found.time_zone, lat=found.lat, lon=found.lon, country=found.country
    )


def level_named(name: str | None) -> Level | None:
    """A level by its name; None for none."""
    return None if name is None else LEVEL_OF[name]  # type: ignore[index]


def _keep(dwells_ms: dict[int, tuple[int, ...]], slot: int, times_ms: tuple[int, ...]) -> None:
    """Set a slot's dwell times; the many zones without any take no room."""
    if times_ms:
        dwells_ms[slot] = times_ms
    else:
        dwells_ms.pop(slot, None)


def _joined(parts: Sequence[Transitions]) -> Transitions:
    return Transitions(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
