"""Conditions: a tree of questions, each true, false or unknown (Kleene's strong logic).

A tree is compiled once a campaign. Asking it appends what each leaf saw to a list, as plain
values, for the trace. Leaves that depend on the clock alone keep their answer until it can change.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Literal, Protocol

from rules import campaigns as data
from rules import limits, windows
from rules.almanac import Almanac
from rules.facts import LEVEL_NAMES, LEVEL_OF, EventFacts, Facts, Purpose, VisitorFacts
from rules.ledger import Ledger
from rules.sun import around_sun
from rules.windows import MINUTE_MS

TRUE, FALSE, UNKNOWN = 1, 0, -1
TruthName = Literal["true", "false", "unknown"]
TRUTH_NAMES: dict[int, TruthName] = {TRUE: "true", FALSE: "false", UNKNOWN: "unknown"}

Seen = tuple[str, int, tuple[Any, ...]]  # tag of the leaf, truth, values in SEEN_FIELDS' order

SEEN_FIELDS: dict[str, tuple[str, ...]] = {
    "date_range": ("at_ms",),
    "season": ("at_ms",),
    "weekly": ("at_ms",),
    "sun": ("at_ms", "sun_ms"),
    "hours": ("place", "state", "change_ms"),
    "event": ("event", "status", "start_ms", "remaining"),
    "language": ("language",),
    "segment": ("segments",),
    "attribute": ("name", "value"),
    "stay": ("first", "last", "local_date"),
    "consent": ("missing",),
    "level": ("zone", "level"),
    "feed": ("feed", "value", "age_ms"),
    "pace": ("speed_mps",),
    "visited": ("zone", "last_seen_ms"),
    "first_visit": ("returning",),
    "received": ("campaign", "sent_ms"),
}


class Question:
    """Whom and what a campaign is being asked about; one is reused for a whole batch.

    zone: the trigger's slot, -1 for none. event: the trigger's, or the first that a condition
    found true. speed_mps: of the fix, negative where unknown.
    """

    __slots__ = (
        "campaign_slots",
        "event",
        "facts",
        "ledger",
        "now_ms",
        "profile",
        "speed_mps",
        "visitor",
        "zone",
    )

    def __init__(self, facts: Facts, campaign_slots: dict[str, int]) -> None:
        self.facts = facts
        self.now_ms = facts.now_ms
        self.campaign_slots = campaign_slots
        self.visitor = -1
        self.profile: VisitorFacts = _NOBODY
        self.zone = -1
        self.event: EventFacts | None = None
        self.speed_mps = -1.0
        self.ledger: Ledger | None = None


_NOBODY = VisitorFacts(id="")


class Node(Protocol):
    """A compiled condition."""

    def run(self, q: Question, seen: list[Seen]) -> int:
        """TRUE, FALSE or UNKNOWN, with what was seen appended."""
        ...


class _All:
    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Node, ...]) -> None:
        self.parts = parts

    def run(self, q: Question, seen: list[Seen]) -> int:
        truth = TRUE
        for part in self.parts:
            found = part.run(q, seen)
            if found == FALSE:
                return FALSE
            if found == UNKNOWN:
                truth = UNKNOWN
        return truth


class _Any:
    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Node, ...]) -> None:
        self.parts = parts

    def run(self, q: Question, seen: list[Seen]) -> int:
        truth = FALSE
        for part in self.parts:
            found = part.run(q, seen)
            if found == TRUE:
                return TRUE
            if found == UNKNOWN:
                truth = UNKNOWN
        return truth


class _Not:
    __slots__ = ("part",)

    def __init__(self, part: Node) -> None:
        self.part = part

    def run(self, q: Question, seen: list[Seen]) -> int:
        found = self.part.run(q, seen)
        return found if found == UNKNOWN else 1 - found


class _Clock:
    """A leaf that depends on the clock alone."""

    __slots__ = ("ask", "from_ms", "tag", "truth", "until_ms", "values")

    def __init__(self, tag: str, ask: windows.Ask) -> None:
        self.tag = tag
        self.ask = ask
        self.from_ms = self.until_ms = 0
        self.truth = UNKNOWN
        self.values: tuple[Any, ...] = ()

    def run(self, q: Question, seen: list[Seen]) -> int:
        now_ms = q.now_ms
        if not self.from_ms <= now_ms < self.until_ms:
            self.truth, self.until_ms, self.values = self.ask(now_ms)
            self.from_ms = now_ms
        seen.append((self.tag, self.truth, (now_ms, *self.values)))
        return self.truth


Answer = tuple[int, tuple[Any, ...]]
Asked = Callable[["Question"], Answer]


class _Fact:
    """A leaf that reads facts."""

    __slots__ = ("ask", "tag")

    def __init__(self, tag: str, ask: Asked) -> None:
        self.tag = tag
        self.ask = ask

    def run(self, q: Question, seen: list[Seen]) -> int:
        truth, values = self.ask(q)
        seen.append((self.tag, truth, values))
        return truth


class _Event:
    """The event leaf. What it finds true the message speaks of, unless it stands under a not."""

    __slots__ = ("data", "speaks")

    def __init__(self, data: data.Event, speaks: bool) -> None:
        self.data = data
        self.speaks = speaks

    def run(self, q: Question, seen: list[Seen]) -> int:
        want, truth = self.data, FALSE
        found: EventFacts | None = None
        for event in self._candidates(q):
            one = self._fits(event, q)
            if one == TRUE or found is None or (one == UNKNOWN and truth == FALSE):
                truth, found = one, event
            if truth == TRUE:
                break
        if found is None:
            truth = UNKNOWN if want.event is not None else FALSE
            seen.append(("event", truth, (want.event, "not found", None, None)))
            return truth
        seen.append(("event", truth, (found.id, found.status, found.start_ms, found.remaining)))
        if truth == TRUE and self.speaks and q.event is None:
            q.event = found
        return truth

    def _candidates(self, q: Question) -> list[EventFacts]:
        want, facts = self.data, q.facts
        if want.event is not None:
            return facts.occurrences(want.event)
        if q.event is not None and want.category is None and want.tag is None:
            return [q.event]
        first_ms = q.now_ms + want.from_min * MINUTE_MS
        last_ms = q.now_ms + want.to_min * MINUTE_MS
        return [
            event
            for event in facts.events_between(first_ms, last_ms)
            if (want.category is None or want.category in event.categories)
            and (want.tag is None or want.tag in event.tags)
        ]

    def _fits(self, event: EventFacts, q: Question) -> int:
        want = self.data
        ahead_ms = event.start_ms - q.now_ms
        if (
            event.status != "scheduled"
            or not want.from_min * MINUTE_MS <= ahead_ms <= want.to_min * MINUTE_MS
            or (want.here and q.zone not in event.zone_slots)
        ):
            return FALSE
        if want.remaining_min is None:
            return TRUE
        if event.remaining is None:
            return UNKNOWN
        return int(event.remaining >= want.remaining_min)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "in": lambda have, want: have in want,
    "contains": lambda have, want: want in have,
}


def compare(have: Any, op: str, want: Any) -> int:
    """TRUE or FALSE; UNKNOWN where the two are not of comparable types."""
    sample = want[0] if op == "in" and want else want
    numbers = isinstance(have, int | float) and isinstance(sample, int | float)
    if isinstance(have, bool) != isinstance(sample, bool) or not (
        numbers or type(have) is type(sample)
    ):
        return UNKNOWN
    return int(COMPARE[op](have, want))


def _language(leaf: data.Language) -> Asked:
    wanted = tuple(each.lower() for each in leaf.any_of)

    def ask(q: Question) -> Answer:
        if not q.profile.languages:
            return UNKNOWN, (None,)
        first = q.profile.languages[0]
        low = first.lower()
        return int(any(low == each or low.startswith(each + "-") for each in wanted)), (first,)

    return ask


def _segment(leaf: data.Segment) -> Asked:
    def ask(q: Question) -> Answer:
        have = q.profile.segments
        if have is None:
            return UNKNOWN, (None,)
        return int(not have.isdisjoint(leaf.any_of)), (sorted(have),)

    return ask


def _attribute(leaf: data.Attribute) -> Asked:
    def ask(q: Question) -> Answer:
        have = q.profile.attributes.get(leaf.name)
        if have is None:
            return UNKNOWN, (leaf.name, None)
        return compare(have, leaf.op, leaf.value), (leaf.name, have)

    return ask


def _stay(leaf: data.Stay, almanac: Almanac) -> Asked:
    phase = leaf.phase

    def ask(q: Question) -> Answer:
        first, last = q.profile.stay_first, q.profile.stay_last
        today = almanac.clock.wall(q.now_ms).date
        values = (
            first and first.isoformat(),
            last and last.isoformat(),
            today.isoformat(),
        )
        if phase in ("before", "first_day"):
            if first is None:
                return UNKNOWN, values
            return int(today < first if phase == "before" else today == first), values
        if phase in ("after", "last_day"):
            if last is None:
                return UNKNOWN, values
            return int(today > last if phase == "after" else today == last), values
        if (first is not None and today < first) or (last is not None and today > last):
            return FALSE, values
        return (UNKNOWN if first is None or last is None else TRUE), values

    return ask


def _consent(leaf: data.Consent) -> Asked:
    need = sum({Purpose[each.upper()] for each in leaf.purposes})

    def ask(q: Question) -> Answer:
        missing = need & ~q.profile.consents
        return int(not missing), (list(purposes(missing)),)

    return ask


def purposes(bits: int) -> tuple[str, ...]:
    """The names of a set of Purpose bits."""
    return tuple(str(each.name).lower() for each in Purpose if each & bits)


def _level(leaf: data.Level) -> Asked:
    allowed = frozenset(
        level
        for name, level in LEVEL_OF.items()
        if (leaf.at_least is None or level >= LEVEL_OF[leaf.at_least])
        and (leaf.at_most is None or level <= LEVEL_OF[leaf.at_most])
        and (not leaf.any_of or name in leaf.any_of)
    )

    def ask(q: Question) -> Answer:
        slot = q.zone if leaf.zone == "here" else q.facts.zone_slots.get(leaf.zone, -1)
        if slot < 0:
            return UNKNOWN, (leaf.zone, None)
        level = q.facts.level(slot)
        values = (q.facts.zones[slot].id, LEVEL_NAMES[level])
        return (int(level in allowed) if level else UNKNOWN), values

    return ask


def _feed(leaf: data.Feed) -> Asked:
    def ask(q: Question) -> Answer:
        have = q.facts.feeds.get(leaf.feed)
        if have is None:
            return UNKNOWN, (leaf.feed, None, None)
        age_ms = q.now_ms - have.at_ms
        values = (leaf.feed, have.value, age_ms)
        if age_ms > leaf.max_age_s * 1000:
            return UNKNOWN, values
        return compare(have.value, leaf.op, leaf.value), values

    return ask


def _pace(leaf: data.Pace) -> Asked:
    def ask(q: Question) -> Answer:
        if q.speed_mps < 0:
            return UNKNOWN, (None,)
        return int(pace_of(q.speed_mps) in leaf.any_of), (q.speed_mps,)

    return ask


def pace_of(speed_mps: float) -> data.PaceName:
    """What a speed looks like: still, walking, riding (a bicycle, a boat) or driving."""
    if speed_mps < limits.WALKING_MPS_MIN:
        return "still"
    if speed_mps < limits.RIDING_MPS_MIN:
        return "walking"
    return "riding" if speed_mps < limits.DRIVING_MPS_MIN else "driving"


def _visited(leaf: data.Visited) -> Asked:
    def ask(q: Question) -> Answer:
        truth, values = FALSE, (leaf.zones[0], 0)
        for zone in leaf.zones:
            slot = q.facts.zone_slots.get(zone, -1)
            seen_ms = q.facts.presence.last_seen_ms(q.visitor, slot) if slot >= 0 else None
            if seen_ms is None:
                truth, values = UNKNOWN, (zone, -1)
            elif seen_ms and q.now_ms - seen_ms <= leaf.within_s * 1000:
                return TRUE, (zone, seen_ms)
        return truth, values

    return ask


def _first_visit(q: Question) -> Answer:
    returning = q.profile.returning
    return (UNKNOWN if returning is None else int(not returning)), (returning,)


def _received(leaf: data.Received) -> Asked:
    def ask(q: Question) -> Answer:
        slot = q.campaign_slots.get(leaf.campaign, -1)
        sends = q.ledger.sends if q.ledger is not None else ()
        for sent in reversed(sends):
            if q.now_ms - sent.at_ms > leaf.within_s * 1000:
                break
            if sent.campaign == slot and sent.real:
                return TRUE, (leaf.campaign, sent.at_ms)
        return FALSE, (leaf.campaign, None)

    return ask


def _hours(leaf: data.Hours, almanac: Almanac) -> Asked:
    def ask(q: Question) -> Answer:
        name = leaf.place
        if name is None and q.event is not None:
            name = q.event.place
        if name is None and 0 <= q.zone < len(q.facts.zones):
            name = q.facts.zones[q.zone].place
        place = q.facts.places.get(name) if name is not None else None
        if place is None:
            return UNKNOWN, (name, "no such place", None)
        truth, _, values = almanac.hours.ask(place, q.now_ms)
        return truth, values

    return ask


ON_THE_CLOCK = (data.DateRange, data.Season, data.Weekly, data.Sun)


def on_the_clock(condition: data.Condition) -> bool:
    """Whether a condition depends on the clock alone."""
    if isinstance(condition, data.AllOf | data.AnyOf):
        return all(on_the_clock(each) for each in condition.of)
    if isinstance(condition, data.Not):
        return on_the_clock(condition.of)
    return isinstance(condition, ON_THE_CLOCK)


def compiled(condition: data.Condition, almanac: Almanac, speaks: bool = True) -> Node:
    """Compile a tree. speaks: events found true are what the message is about."""
    match condition:
        case data.AllOf():
            return _All(tuple(compiled(each, almanac, speaks) for each in condition.of))
        case data.AnyOf():
            return _Any(tuple(compiled(each, almanac, speaks) for each in condition.of))
        case data.Not():
            return _Not(compiled(condition.of, almanac, False))
        case data.DateRange():
            return _Clock("date_range", windows.date_range(almanac.clock, condition))
        case data.Season():
            return _Clock("season", windows.season(almanac.clock, condition))
        case data.Weekly():
            return _Clock("weekly", windows.weekly(almanac.clock, condition))
        case data.Sun():
            return _Clock("sun", around_sun(almanac.clock, almanac.sun, condition))
        case data.Event():
            return _Event(condition, speaks)
        case _:
            return _fact(condition, almanac)


def _fact(leaf: data.Condition, almanac: Almanac) -> Node:
    match leaf:
        case data.Hours():
            return _Fact("hours", _hours(leaf, almanac))
        case data.Language():
            return _Fact("language", _language(leaf))
        case data.Segment():
            return _Fact("segment", _segment(leaf))
        case data.Attribute():
            return _Fact("attribute", _attribute(leaf))
        case data.Stay():
            return _Fact("stay", _stay(leaf, almanac))
        case data.Consent():
            return _Fact("consent", _consent(leaf))
        case data.Level():
            return _Fact("level", _level(leaf))
        case data.Feed():
            return _Fact("feed", _feed(leaf))
        case data.Pace():
            return _Fact("pace", _pace(leaf))
        case data.Visited():
            return _Fact("visited", _visited(leaf))
        case data.FirstVisit():
            return _Fact("first_visit", _first_visit)
        case data.Received():
            return _Fact("received", _received(leaf))
        case _:
            raise AssertionError(leaf)


def split(condition: data.Condition | None, almanac: Almanac) -> tuple[Node | None, Node | None]:
    """A condition as (what depends on the clock alone, the rest), both to be true."""
    if condition is None:
        return None, None
    parts = condition.of if isinstance(condition, data.AllOf) else (condition,)
    clock = tuple(compiled(each, almanac) for each in parts if on_the_clock(each))
    rest = tuple(compiled(each, almanac) for each in parts if not on_the_clock(each))
    return _joined(clock), _joined(rest)


def _joined(parts: tuple[Node, ...]) -> Node | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return _All(parts)
