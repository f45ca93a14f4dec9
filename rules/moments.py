"""Triggers that no transition causes: a campaign or its window opens, a level changes, an event
nears, a broadcast is due. Looked at on every tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rules.compiled import Compiled, Trigger
from rules.conditions import TRUE, Question
from rules.facts import EventFacts, Facts
from rules.limits import CLOCK_SPAN_MS
from rules.rulings import Occasion
from rules.windows import FOREVER_MS, MINUTE_MS


class Moments:
    """What has been looked at already, so that each moment is one moment.

    ticked_ms: the tick before. open: campaign slot -> whether its window was open then. levels:
    (campaign slot, zone slot) -> the level then. fired: (campaign slot, moment) -> when this may
    be forgotten.
    """

    __slots__ = ("fired", "levels", "open", "ticked_ms")

    def __init__(self) -> None:
        self.ticked_ms = 0
        self.open: dict[int, bool] = {}
        self.levels: dict[tuple[int, int], int] = {}
        self.fired: dict[tuple[int, str], int] = {}

    def forget(self, slot: int) -> None:
        """Drop what is known of a campaign that is no longer live; what fired stays fired."""
        self.open.pop(slot, None)
        for key in [key for key in self.levels if key[0] == slot]:
            del self.levels[key]

    def occasions(
        self, campaigns: Iterable[Compiled], q: Question
    ) -> Iterator[tuple[Compiled, Occasion]]:
        """The occasions of this tick, campaign by campaign; all given have moments."""
        for c in campaigns:
            match c.trigger:
                case Trigger.EVENT_SOON:
                    yield from self._events(c, q.facts)
                case Trigger.LEVEL_CHANGE:
                    yield from self._levels(c, q.facts)
                case Trigger.BROADCAST:
                    yield from self._broadcast(c, q.facts)
                case _:
                    yield from self._opening(c, q)

    def end(self, now_ms: int) -> None:
        """The tick is over."""
        if now_ms // CLOCK_SPAN_MS != self.ticked_ms // CLOCK_SPAN_MS:
            for key in [key for key, until_ms in self.fired.items() if until_ms < now_ms]:
                del self.fired[key]
        self.ticked_ms = now_ms

    def _opening(self, c: Compiled, q: Question) -> Iterator[tuple[Compiled, Occasion]]:
        """Those inside when the campaign or its window opens, whom nothing else will speak to."""
        is_open = c.clock is None or c.clock.run(q, []) == TRUE
        was_open = self.open.get(c.slot)
        self.open[c.slot] = is_open
        if not is_open or was_open:
            return
        presence = q.facts.presence
        for zone in c.zone_slots:
            for visitor in presence.inside(zone):
                enter_ms = presence.enter_ms(visitor, zone)
                if enter_ms is None:
                    continue
                due_ms = enter_ms + c.dwell_ms
                if was_open is None:  # just gone live: later entries and timers it hears of itself
                    missed = due_ms < c.opened_ms
                else:  # up to the tick before, everybody was refused
                    missed = not c.dwell_ms or due_ms <= self.ticked_ms
                occasion = _occasion(q.facts, visitor, zone, enter_ms, None) if missed else None
                if occasion is not None:
                    yield c, occasion

    def _levels(self, c: Compiled, facts: Facts) -> Iterator[tuple[Compiled, Occasion]]:
        wanted = c.levels
        fires_first = c.campaign.on_open_if_inside == "fire"
        for zone in c.zone_slots:
            level = facts.level(zone)
            before = self.levels.get((c.slot, zone))
            self.levels[c.slot, zone] = level
            if before is None:
                before = 0 if fires_first else level
            if level != before and level in wanted:
                yield from _everyone(c, facts, c.tell_slots or (zone,), None)

    def _broadcast(self, c: Compiled, facts: Facts) -> Iterator[tuple[Compiled, Occasion]]:
        due_ms = c.broadcast_ms
        key = (c.slot, f"broadcast {due_ms}")
        if key not in self.fired and due_ms <= facts.now_ms:
            self.fired[key] = FOREVER_MS
            yield from _everyone(c, facts, c.zone_slots, None)

    def _events(self, c: Compiled, facts: Facts) -> Iterator[tuple[Compiled, Occasion]]:
        trigger: Any = c.campaign.trigger
        ahead_ms = trigger.minutes_before * MINUTE_MS
        skips = c.campaign.on_open_if_inside == "skip"
        for event in facts.events_between(facts.now_ms + 1, facts.now_ms + ahead_ms):
            chosen = (
                (not trigger.events and not trigger.categories)
                or event.id in trigger.events
                or event.event in trigger.events
                or not set(trigger.categories).isdisjoint(event.categories)
            )
            key = (c.slot, f"event {event.id} {event.start_ms}")
            if not chosen or event.status != "scheduled" or key in self.fired:
                continue
            self.fired[key] = event.start_ms
            # The moment passed before the campaign was live.
            if skips and event.start_ms - ahead_ms < c.opened_ms:
                continue
            yield from _everyone(c, facts, _zones_of(c, event, facts), event)


def _zones_of(c: Compiled, event: EventFacts, facts: Facts) -> tuple[int, ...]:
    """The event's own zones, the hidden circles round it, and those the campaign names."""
    circles = [
        zone
        for zone in c.zone_slots
        if facts.zones[zone].event == event.id
        or (event.place is not None and facts.zones[zone].place == event.place)
    ]
    return tuple(dict.fromkeys((*event.zone_slots, *circles, *c.tell_slots)))


def _everyone(
    c: Compiled, facts: Facts, zones: tuple[int, ...], event: EventFacts | None
) -> Iterator[tuple[Compiled, Occasion]]:
    """Everyone in any of the zones, once, visitors ascending; who is in several counts in the
    smallest.
    """
    where: dict[int, int] = {}
    for zone in sorted(zones, key=lambda each: (facts.zones[each].area_m2, facts.zones[each].id)):
        for visitor in facts.presence.inside(zone):
            where.setdefault(int(visitor), zone)
    for visitor in sorted(where):
        zone = where[visitor]
        enter_ms = facts.presence.enter_ms(visitor, zone)
        since = facts.now_ms if enter_ms is None else enter_ms
        occasion = _occasion(facts, visitor, zone, since, event)
        if occasion is not None:
            yield c, occasion


def _occasion(
    facts: Facts, visitor: int, zone: int, enter_ms: int, event: EventFacts | None
) -> Occasion | None:
    profile = facts.visitor(visitor)
    if profile is None:
        return None
    return Occasion(
        int(visitor),
        profile,
        zone,
        facts.zones[zone],
        facts.now_ms,
        enter_ms,
        facts.position,
        event,
    )
