"""Zones that nobody drew: circles round places and events that campaigns ask to be near.

"Near a place, within 200 m" is entering a circle of 200 m round it, so the tracker needs to know
nothing of campaigns. Circles of the same place and distance are shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import pi
from typing import NamedTuple

from engine.catalogue import CatalogueBook
from geofence.errors import ZoneInvalid
from geofence.limits import DWELLS_PER_ZONE_MAX
from geofence.shapes import Circle, Zone
from geofence.tracker import Tracker
from rules.campaigns import Campaign, Dwell, EventSoon, LevelChange, Near
from rules.facts import Facts, ZoneFacts


class HiddenPlan(NamedTuple):
    """What is to become of the circles: all of them, their places, and what changes."""

    circles: dict[str, Circle]
    places: dict[str, str]
    put: list[Zone]
    gone: list[str]


class HiddenZones:
    """The circles in force, by zone id."""

    def __init__(self) -> None:
        self.circles: dict[str, Circle] = {}
        self._by_tag: dict[str, list[str]] = {}

    def plan(self, catalogue: CatalogueBook) -> HiddenPlan:
        """The circles that a catalogue's campaigns ask for, against those in force."""
        wanted = {
            _circle_id(place, within_m): (place, within_m)
            for entry in catalogue.all("campaign").values()
            for place, within_m in _asked(entry.record, catalogue)
        }
        circles = {}
        for zone_id, (place_id, within_m) in wanted.items():
            place = catalogue.find("place", place_id)
            circles[zone_id] = Circle(lon=place.lon, lat=place.lat, radius_m=within_m)
        return HiddenPlan(
            circles=circles,
            places={zone_id: place_id for zone_id, (place_id, _) in wanted.items()},
            put=[
                Zone(id=zone_id, shape=circle)
                for zone_id, circle in circles.items()
                if self.circles.get(zone_id) != circle
            ],
            gone=[zone_id for zone_id in self.circles if zone_id not in circles],
        )

    def settle(
        self, plan: HiddenPlan, catalogue: CatalogueBook, tracker: Tracker, facts: Facts
    ) -> None:
        """Take a plan whose circles the tracker has put and removed."""
        self._sort_by_tag(catalogue)
        self.circles = plan.circles
        for zone in plan.put:
            radius_m = plan.circles[zone.id].radius_m
            facts.put_zone(
                tracker.zone_slot(zone.id),
                ZoneFacts(id=zone.id, area_m2=pi * radius_m**2, place=plan.places[zone.id]),
            )

    def _sort_by_tag(self, catalogue: CatalogueBook) -> None:
        self._by_tag = _by_tag(catalogue)

    @staticmethod
    def thaw(circles: dict[str, Circle], catalogue: CatalogueBook) -> HiddenZones:
        """The book in which these circles were in force."""
        hidden = HiddenZones()
        hidden.circles = circles
        hidden._sort_by_tag(catalogue)
        return hidden

    def slots_of(
        self, campaign: Campaign, catalogue: CatalogueBook, tracker: Tracker
    ) -> tuple[int, ...]:
        """Slots of the zones that a campaign's trigger means, ascending."""
        zone_ids = {_circle_id(*asked) for asked in _asked(campaign, catalogue)}
        if not isinstance(campaign.trigger, EventSoon):
            zone_ids |= _named(campaign, catalogue, self._by_tag)
        return tuple(sorted(tracker.zone_slot(zone_id) for zone_id in zone_ids))

    def tell_slots_of(
        self, campaign: Campaign, catalogue: CatalogueBook, tracker: Tracker
    ) -> tuple[int, ...]:
        """Slots of further zones whose visitors a campaign tells, ascending."""
        trigger = campaign.trigger
        zone_ids: set[str] = set()
        if isinstance(trigger, LevelChange):
            zone_ids = {z for z in trigger.tell if catalogue.find("zone", z) is not None}
        elif isinstance(trigger, EventSoon):
            zone_ids = _named(campaign, catalogue, self._by_tag)
        return tuple(sorted(tracker.zone_slot(zone_id) for zone_id in zone_ids))


def check_dwells(catalogue: CatalogueBook) -> None:
    """Raise ZoneInvalid where a zone and its live campaigns ask for more dwell times than it has.

    To be asked of a catalogue before it takes effect: the tracker would refuse it halfway.
    """
    by_tag = _by_tag(catalogue)
    asked: dict[str, set[int]] = {}
    for entry in catalogue.all("campaign").values():
        campaign = entry.record
        if isinstance(campaign.trigger, Dwell) and campaign.status == "live":
            for zone_id in _named(campaign, catalogue, by_tag):
                asked.setdefault(zone_id, set()).add(campaign.trigger.after_s * 1000)
    for zone_id, times_ms in asked.items():
        own_ms = catalogue.find("zone", zone_id).dwells_ms()
        if len(times_ms.union(own_ms)) > DWELLS_PER_ZONE_MAX:
            reason = (
                f"it and its live campaigns ask for more than {DWELLS_PER_ZONE_MAX} dwell times"
            )
            raise ZoneInvalid(zone=zone_id, field="dwell_s", reason=reason)


def _by_tag(catalogue: CatalogueBook) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for zone_id, entry in catalogue.all("zone").items():
        for tag in entry.record.tags:
            found.setdefault(tag, []).append(zone_id)
    return found


def _named(
    campaign: Campaign, catalogue: CatalogueBook, by_tag: Mapping[str, Sequence[str]]
) -> set[str]:
    """Zones that the trigger gives by id or tag, as far as they exist."""
    trigger = campaign.trigger
    zone_ids = set(getattr(trigger, "zones", ()))
    for tag in getattr(trigger, "zone_tags", ()):
        zone_ids |= set(by_tag.get(tag, ()))
    return {zone_id for zone_id in zone_ids if catalogue.find("zone", zone_id) is not None}


def _asked(campaign: Campaign, catalogue: CatalogueBook) -> Iterator[tuple[str, float]]:
    """(place, metres) of each circle that a campaign asks for."""
    trigger = campaign.trigger
    if isinstance(trigger, Near):
        for place_id, entry in catalogue.all("place").items():
            if place_id in trigger.places or set(trigger.categories) & set(entry.record.categories):
                yield place_id, trigger.within_m
    elif isinstance(trigger, EventSoon) and trigger.within_m:
        for event_id, entry in catalogue.all("event").items():
            event = entry.record
            meant = event_id in trigger.events or set(trigger.categories) & set(event.categories)
            if meant and event.place_id and catalogue.find("place", event.place_id) is not None:
                yield event.place_id, trigger.within_m


def _circle_id(place_id: str, within_m: float) -> str:
    # No zone of the catalogue can have such an id.
    return f"@near:{place_id}:{within_m:g}"
