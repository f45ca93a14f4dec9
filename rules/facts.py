"""What conditions can read: the world as of the last tick. The engine owns it and keeps it current.

Slots are the tracker's: small numbers that stand for a visitor or a zone and are never reused.
Everything else is a plain value. A fact that is not there makes a condition unknown, never false.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from datetime import date
from enum import IntEnum, IntFlag
from typing import Protocol

import msgspec

from rules.campaigns import EventStatus, LevelName, Scalar


class Purpose(IntFlag):
    """What a visitor may consent to; bits of `VisitorFacts.consents`."""

    LOCATION = 1
    PUSH = 2
    ANALYTICS = 4


class Level(IntEnum):
    """Crowd levels by share of capacity: quiet < 25 % <= moderate < 50 <= busy < 75 <= very busy
    < 100 <= full. Very busy and full are red.
    """

    UNKNOWN = 0
    QUIET = 1
    MODERATE = 2
    BUSY = 3
    VERY_BUSY = 4
    FULL = 5


LEVEL_OF: dict[LevelName, Level] = {
    "quiet": Level.QUIET,
    "moderate": Level.MODERATE,
    "busy": Level.BUSY,
    "very_busy": Level.VERY_BUSY,
    "full": Level.FULL,
}
LEVEL_NAMES: tuple[str, ...] = ("unknown", *LEVEL_OF)


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where the instance stands: IANA time zone, WGS84 degrees, ISO 3166 country or None."""

    time_zone: str
    lat: float
    lon: float
    country: str | None = None


class ZoneFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A zone as rules see it. `place` or `event` is what a hidden circle was drawn around."""

    id: str
    area_m2: float = 0.0
    tags: tuple[str, ...] = ()
    place: str | None = None
    event: str | None = None


class PlaceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A place; `opening_hours` is the raw OSM string, None where nobody knows."""

    id: str
    lat: float
    lon: float
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    opening_hours: str | None = None


class EventFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One occurrence of an event. `remaining` places: None where nobody counts.

    id: the occurrence's own. event: the id of the event that it is one of, by default the same.
    """

    id: str
    event: str = ""
    start_ms: int
    end_ms: int
    status: EventStatus = "scheduled"
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    remaining: int | None = None
    place: str | None = None
    zone_slots: tuple[int, ...] = ()


class FeedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The newest value of a feed and when it was measured (ms)."""

    value: Scalar
    at_ms: int


class VisitorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor's profile. None means that nobody told us.

    consents: bits of Purpose. languages: BCP 47 tags, the preferred one first. stay_first and
    stay_last: local dates of arrival and departure. returning: seen before this stay.
    """

    id: str
    consents: int = 0
    languages: tuple[str, ...] = ()
    segments: frozenset[str] | None = None
    attributes: dict[str, Scalar] = {}
    stay_first: date | None = None
    stay_last: date | None = None
    returning: bool | None = None


class Presence(Protocol):
    """Who is where: what the decider may ask of the tracker and of the history of visits."""

    def inside(self, zone: int) -> Sequence[int]:
        """Visitor slots in a zone slot, ascending; those whose visit is stale are left out."""
        ...

    def is_inside(self, visitor: int, zone: int) -> bool:
        """Whether a visitor slot is in a zone slot, its visit not stale."""
        ...

    def enter_ms(self, visitor: int, zone: int) -> int | None:
        """When the present visit began; None where there is none."""
        ...

    def last_seen_ms(self, visitor: int, zone: int) -> int | None:
        """The last instant in the zone; 0 for never, None where no history is kept."""
        ...


class Nobody:
    """The presence of an empty destination."""

    def inside(self, zone: int) -> Sequence[int]:  # noqa: ARG002
        """Nobody."""
        return ()

    def is_inside(self, visitor: int, zone: int) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def enter_ms(self, visitor: int, zone: int) -> int | None:  # noqa: ARG002
        """No visit."""
        return None

    def last_seen_ms(self, visitor: int, zone: int) -> int | None:  # noqa: ARG002
        """No history."""
        return None


class Facts:
    """The facts of one instance; the engine mutates it between calls of the Decider.

    now_ms: the last logged tick. position: its log position. levels: a byte a zone slot (Level),
    slots beyond its end unknown; replace it at ticks, for that is when rules may see a change.
    """

    __slots__ = (
        "_by_event",
        "_by_start",
        "destination",
        "events",
        "feeds",
        "levels",
        "now_ms",
        "places",
        "position",
        "presence",
        "visitors",
        "zone_slots",
        "zones",
    )

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.now_ms = 0
        self.position = 0
        self.zones: list[ZoneFacts] = []
        self.zone_slots: dict[str, int] = {}
        self.levels: bytes = b""
        self.visitors: list[VisitorFacts | None] = []
        self.places: dict[str, PlaceFacts] = {}
        self.events: dict[str, EventFacts] = {}
        self._by_start: list[tuple[int, str]] = []
        self._by_event: dict[str, list[tuple[int, str]]] = {}
        self.feeds: dict[str, FeedFacts] = {}
        self.presence: Presence = Nobody()

    def put_zone(self, slot: int, zone: ZoneFacts) -> None:
        """Set the facts of a zone slot; slots in between are filled with the same until set."""
        while len(self.zones) <= slot:
            self.zones.append(zone)
        self.zones[slot] = zone
        self.zone_slots[zone.id] = slot

    def put_visitor(self, slot: int, visitor: VisitorFacts | None) -> None:
        """Set the profile of a visitor slot; None forgets it."""
        while len(self.visitors) <= slot:
            self.visitors.append(None)
        self.visitors[slot] = visitor

    def visitor(self, slot: int) -> VisitorFacts | None:
        """The profile of a visitor slot; None where nobody told us, or it was erased."""
        return self.visitors[slot] if slot < len(self.visitors) else None

    def put_event(self, event: EventFacts) -> None:
        """Add or replace an event by its id."""
        self.drop_event(event.id)
        self.events[event.id] = event
        bisect.insort(self._by_start, (event.start_ms, event.id))
        bisect.insort(self._by_event.setdefault(event.event, []), (event.start_ms, event.id))

    def drop_event(self, event_id: str) -> None:
        """Forget an event; nothing happens if there is none."""
        old = self.events.pop(event_id, None)
        if old is not None:
            key = (old.start_ms, old.id)
            self._by_start.remove(key)
            self._by_event[old.event].remove(key)
            if not self._by_event[old.event]:
                del self._by_event[old.event]

    def occurrences(self, event_id: str) -> list[EventFacts]:
        """Known occurrences of an event, by start; an occurrence's own id gives it alone."""
        if event_id in self.events:
            return [self.events[event_id]]
        return [self.events[each] for _, each in self._by_event.get(event_id, ())]

    def events_between(self, first_ms: int, last_ms: int) -> Iterator[EventFacts]:
        """Events that start in [first_ms, last_ms], by start, then id."""
        at = bisect.bisect_left(self._by_start, (first_ms, ""))
        while at < len(self._by_start) and self._by_start[at][0] <= last_ms:
            yield self.events[self._by_start[at][1]]
            at += 1

    def level(self, zone: int) -> int:
        """The crowd level of a zone slot."""
        return self.levels[zone] if 0 <= zone < len(self.levels) else 0
