"""Zones that nobody drew: circles round places and events that campaigns ask to be near.

"Near a place, within 200 m" is entering a circle of 200 m round it, so the tracker needs to know
nothing of campaigns. Circles of the same place and distance are shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi

from engine.catalogue import CatalogueBook
from geofence.columns import Transitions
from geofence.shapes import Circle, Zone
from geofence.tracker import Tracker
from rules.campaigns import Campaign, EventSoon, LevelChange, Near
from rules.facts import Facts, ZoneFacts


class HiddenZones:
    """The circles in force, by zone id."""

    def __init__(self) -> None:
        self.circles: dict[str, Circle] = {}
        self._by_tag: dict[str, list[str]] = {}

    def settle(
        self, catalogue: CatalogueBook, tracker: Tracker, facts: Facts, now_ms: int
    ) -> list[Transitions]:
        """Add and remove circles so that they are those that campaigns ask for."""
        self._sort_by_tag(catalogue)
        wanted = {
            _circle_id(place, within_m): (place, within_m)
            for entry in catalogue.all("campaign").values()
            for place, within_m in _asked(entry.record, catalogue)
        }
        circles = {}
        for zone_id, (place_id, within_m) in wanted.items():
            place = catalogue.find("place", place_id)
            circles[zone_id] = Circle(lon=place.lon, lat=place.lat, radius_m=within_m)
        changed = {k: c for k, c in circles.items() if self.circles.get(k) != c}
        gone = [zone_id for zone_id in self.circles if zone_id not in circles]
        self.circles = circles
        moved = tracker.put_zones(
            [Zone(id=zone_id, shape=circle) for zone_id, circle in changed.items()], now_ms
        )
        for zone_id, circle in changed.items():
            facts.put_zone(
                tracker.zone_slot(zone_id),
                ZoneFacts(id=zone_id, area_m2=pi * circle.radius_m**2, place=wanted[zone_id][0]),
            )
        return [moved, tracker.remove_zones(gone, now_ms)]

    def _sort_by_tag(self, catalogue: CatalogueBook) -> None:
        self._by_tag = {}
        for zone_id, entry in catalogue.all("zone").items():
            for tag in entry.record.tags:
                self._by_tag.setdefault(tag, []).append(zone_id)

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
            zone_ids |= self._named(campaign, catalogue)
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
            zone_ids = self._named(campaign, catalogue)
        return tuple(sorted(tracker.zone_slot(zone_id) for zone_id in zone_ids))

    def _named(self, campaign: Campaign, catalogue: CatalogueBook) -> set[str]:
        """Zones that the trigger gives by id or tag, as far as they exist."""
        trigger = campaign.trigger
        zone_ids = set(getattr(trigger, "zones", ()))
        for tag in getattr(trigger, "zone_tags", ()):
            zone_ids |= set(self._by_tag.get(tag, ()))
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
    return f"near:{place_id}:{within_m:g}"
