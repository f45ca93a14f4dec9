"""Events as rules see them: the occurrences around the engine's now, refreshed on ticks."""

from __future__ import annotations

from content.occurrences import Sky, expand
from engine import limits
from engine.catalogue import CatalogueBook
from geofence.tracker import Tracker
from rules.facts import EventFacts, Facts, PlaceFacts


class Occasions:
    """Keeps `facts.events` and `facts.places` in step with the catalogue and the time."""

    def __init__(self) -> None:
        self.due_ms = limits.NEVER_MS

    @staticmethod
    def thaw(due_ms: int, catalogue: CatalogueBook, tracker: Tracker, facts: Facts) -> Occasions:
        """The one that was next due at `due_ms`; the facts are what it had made them."""
        occasions = Occasions()
        if due_ms != limits.NEVER_MS:
            occasions.refresh(due_ms - limits.OCCASIONS_REFRESH_MS, catalogue, tracker, facts)
        return occasions

    def stale(self) -> None:
        """The catalogue changed: the next refresh does its work whatever the time."""
        self.due_ms = limits.NEVER_MS

    def refresh(
        self, now_ms: int, catalogue: CatalogueBook, tracker: Tracker, facts: Facts
    ) -> None:
        """Expand events from some time ago to some time ahead, if that is due."""
        if now_ms < self.due_ms:
            return
        self.due_ms = now_ms + limits.OCCASIONS_REFRESH_MS
        self._places(catalogue, facts)
        for event_id in list(facts.events):
            facts.drop_event(event_id)
        destination = catalogue.destination
        if destination is None:
            return
        records = {e.record.id: e.record for e in catalogue.all("event").values()}
        occurrences = expand(
            records.values(),
            now_ms - limits.OCCASIONS_BEHIND_MS,
            now_ms + limits.OCCASIONS_AHEAD_MS,
            Sky.of(destination),
        )
        for occurrence in occurrences:
            record = records[occurrence.event_id]
            zone_id = occurrence.zone_id or self._zone_of_place(occurrence.place_id, catalogue)
            known = zone_id is not None and catalogue.find("zone", zone_id) is not None
            facts.put_event(
                EventFacts(
                    id=occurrence.id,
                    event=occurrence.event_id,
                    start_ms=occurrence.start_ms,
                    end_ms=occurrence.end_ms,
                    status=occurrence.status,
                    categories=record.categories,
                    tags=record.tags,
                    remaining=occurrence.remaining_places,
                    place=occurrence.place_id,
                    zone_slots=(tracker.zone_slot(zone_id),) if known and zone_id else (),
                )
            )

    def _zone_of_place(self, place_id: str | None, catalogue: CatalogueBook) -> str | None:
        place = catalogue.find("place", place_id) if place_id else None
        return place.zone_id if place is not None else None

    def _places(self, catalogue: CatalogueBook, facts: Facts) -> None:
        facts.places.clear()
        for place_id, entry in catalogue.all("place").items():
            place = entry.record
            facts.places[place_id] = PlaceFacts(
                id=place_id,
                lat=place.lat,
                lon=place.lon,
                categories=place.categories,
                tags=place.tags,
                opening_hours=None if place.opening_hours_invalid else place.opening_hours or None,
            )
