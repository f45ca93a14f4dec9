"""Conditions: three-valued logic against its tables, and every leaf by example."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import campaigns as data
from rules.conditions import FALSE, TRUE, UNKNOWN, Question, Seen, compare, compiled, split
from rules.facts import EventFacts, FeedFacts, PlaceFacts, VisitorFacts
from rules.ledger import Ledger, Sent
from tests.rules.world import LAKE, NOON, PIER, TOWN, World, ms

MINUTE = 60_000

# Leaves whose truth is fixed by the facts below: this is how a tree of known values is made.
YES = data.Consent(purposes=("push",))
NO = data.Consent(purposes=("analytics",))
MAYBE = data.FirstVisit()
VALUE = {YES: TRUE, NO: FALSE, MAYBE: UNKNOWN}

trees: st.SearchStrategy[data.Condition] = st.recursive(
    st.sampled_from((YES, NO, MAYBE)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda of: data.AllOf(of=tuple(of))),
        st.lists(inner, min_size=1, max_size=4).map(lambda of: data.AnyOf(of=tuple(of))),
        inner.map(lambda of: data.Not(of=of)),
    ),
    max_leaves=12,
)


def kleene(tree: data.Condition) -> float:
    """Strong Kleene logic as arithmetic: false 0, unknown 1/2, true 1; and = min, or = max."""
    match tree:
        case data.AllOf():
            return min(kleene(each) for each in tree.of)
        case data.AnyOf():
            return max(kleene(each) for each in tree.of)
        case data.Not():
            return 1 - kleene(tree.of)
        case _:
            return {TRUE: 1.0, FALSE: 0.0, UNKNOWN: 0.5}[VALUE[tree]]


def ask(world: World, tree: data.Condition, **more: Any) -> tuple[int, list[Seen], Question]:
    q = Question(world.facts, world.decider.slots)
    q.visitor, q.zone = more.get("visitor", 0), more.get("zone", LAKE)
    profile = world.facts.visitors[q.visitor]
    assert profile is not None
    q.profile, q.event = profile, more.get("event")
    q.speed_mps = more.get("speed_mps", -1.0)
    q.ledger = more.get("ledger")
    seen: list[Seen] = []
    return compiled(tree, world.decider.almanac).run(q, seen), seen, q


@given(trees)
def test_trees_follow_kleenes_logic(tree: data.Condition) -> None:
    truth, _, _ = ask(World(), tree)
    assert {TRUE: 1.0, FALSE: 0.0, UNKNOWN: 0.5}[truth] == kleene(tree)


@given(trees)
def test_a_condition_split_by_the_clock_is_as_true_as_the_whole(tree: data.Condition) -> None:
    world = World()
    noon = data.Weekly(start="11:00", end="13:00")
    q = Question(world.facts, {})
    q.visitor, q.zone = 0, LAKE
    q.profile = VisitorFacts(id="v0", consents=3)
    clock, rest = split(data.AllOf(of=(noon, tree)), world.decider.almanac)
    assert clock is not None
    assert rest is not None
    assert min(clock.run(q, []), 1) == TRUE
    assert rest.run(q, []) == compiled(tree, world.decider.almanac).run(q, [])


def with_profile(**fields: Any) -> World:
    world = World()
    world.facts.put_visitor(0, VisitorFacts(id="v0", consents=3, **fields))
    return world


@pytest.mark.parametrize(
    ("languages", "any_of", "truth"),
    [
        (("fr-CA", "en"), ("fr",), TRUE),
        (("fr-CA", "en"), ("en",), FALSE),  # the first language counts
        (("fr",), ("fr-CA",), FALSE),
        (("FR-ca",), ("fr-CA",), TRUE),
        (("frr",), ("fr",), FALSE),  # North Frisian is not French
        ((), ("fr",), UNKNOWN),
    ],
)
def test_languages_match_by_whole_subtags(
    languages: tuple[str, ...], any_of: tuple[str, ...], truth: int
) -> None:
    world = with_profile(languages=languages)
    assert ask(world, data.Language(any_of=any_of))[0] == truth


@pytest.mark.parametrize(
    ("have", "op", "want", "truth"),
    [
        (3, "lt", 4, TRUE),
        (3, "ge", 3.0, TRUE),
        (3, "eq", "3", UNKNOWN),
        (True, "eq", 1, UNKNOWN),  # yes is not a number
        (True, "eq", True, TRUE),
        ("gold", "in", ("gold", "silver"), TRUE),
        ("tin", "in", ("gold", "silver"), FALSE),
        (3, "in", ("gold",), UNKNOWN),
        ("family with dog", "contains", "dog", TRUE),
        ("gold", "ne", "silver", TRUE),
        ("a", "lt", "b", TRUE),
    ],
)
def test_values_compare_within_their_type(have: Any, op: str, want: Any, truth: int) -> None:
    assert compare(have, op, want) == truth
    world = with_profile(attributes={"x": have})
    assert ask(world, data.Attribute(name="x", op=op, value=want))[0] == truth  # type: ignore[arg-type]


def test_an_absent_attribute_or_segment_is_unknown() -> None:
    assert ask(World(), data.Attribute(name="x", value=1))[0] == UNKNOWN
    assert ask(World(), data.Segment(any_of=("vip",)))[0] == UNKNOWN
    world = with_profile(segments=frozenset(("vip", "dog")))
    assert ask(world, data.Segment(any_of=("vip",)))[0] == TRUE
    assert ask(world, data.Segment(any_of=("cat",)))[0] == FALSE


@pytest.mark.parametrize(
    ("phase", "first", "last", "truth"),
    [
        ("before", date(2025, 6, 16), None, TRUE),
        ("before", date(2025, 6, 15), None, FALSE),
        ("first_day", date(2025, 6, 15), None, TRUE),
        ("last_day", None, date(2025, 6, 15), TRUE),
        ("during", date(2025, 6, 15), date(2025, 6, 15), TRUE),
        ("during", date(2025, 6, 15), None, UNKNOWN),
        ("during", None, date(2025, 6, 14), FALSE),
        ("after", None, date(2025, 6, 14), TRUE),
        ("after", None, None, UNKNOWN),
        ("first_day", None, None, UNKNOWN),
    ],
)
def test_a_stay_goes_by_local_dates(
    phase: Any, first: date | None, last: date | None, truth: int
) -> None:
    world = with_profile(stay_first=first, stay_last=last)
    assert ask(world, data.Stay(phase=phase))[0] == truth


@pytest.mark.parametrize(
    ("leaf", "levels", "truth"),
    [
        (data.Level(at_most="moderate"), b"\x02", TRUE),
        (data.Level(at_most="moderate"), b"\x03", FALSE),
        (data.Level(at_least="very_busy"), b"\x05", TRUE),
        (data.Level(any_of=("quiet", "full")), b"\x05", TRUE),
        (data.Level(at_most="moderate"), b"\x00", UNKNOWN),
        (data.Level(zone="town", at_most="moderate"), b"\x05\x01", TRUE),
        (data.Level(zone="town", at_most="moderate"), b"\x05", UNKNOWN),
        (data.Level(zone="nowhere", at_most="moderate"), b"\x01", UNKNOWN),
    ],
)
def test_levels_are_read_here_or_elsewhere(leaf: data.Level, levels: bytes, truth: int) -> None:
    world = World()
    world.facts.levels = levels
    assert ask(world, leaf)[0] == truth


def test_a_feed_is_unknown_when_absent_stale_or_of_another_type() -> None:
    world = World()
    leaf = data.Feed(feed="parking", op="le", value=10, max_age_s=600)
    assert ask(world, leaf)[0] == UNKNOWN
    world.facts.feeds["parking"] = FeedFacts(value=8, at_ms=NOON - 600_000)
    assert ask(world, leaf)[0] == TRUE
    world.facts.feeds["parking"] = FeedFacts(value=8, at_ms=NOON - 600_001)
    assert ask(world, leaf)[:2] == (UNKNOWN, [("feed", UNKNOWN, ("parking", 8, 600_001))])
    world.facts.feeds["parking"] = FeedFacts(value="full", at_ms=NOON)
    assert ask(world, leaf)[0] == UNKNOWN


@pytest.mark.parametrize(
    ("speed_mps", "pace"),
    [(0.0, "still"), (1.3, "walking"), (5.0, "riding"), (13.9, "driving")],
)
def test_a_pace_is_read_from_the_speed(speed_mps: float, pace: Any) -> None:
    for each in ("still", "walking", "riding", "driving"):
        leaf = data.Pace(any_of=(each,))
        assert ask(World(), leaf, speed_mps=speed_mps)[0] == (each == pace)
    assert ask(World(), data.Pace(any_of=(pace,)))[0] == UNKNOWN


def test_visits_count_within_their_time_and_unkept_history_is_unknown() -> None:
    world = World()
    leaf = data.Visited(zones=("town", "pier"), within_s=3600)
    assert ask(world, leaf)[0] == FALSE
    world.seen[0, PIER] = NOON - 3_600_000
    assert ask(world, leaf)[0] == TRUE
    world.seen[0, PIER] = NOON - 3_600_001
    assert ask(world, leaf)[0] == FALSE
    world.seen[0, TOWN] = None  # type: ignore[assignment]
    assert ask(world, leaf)[0] == UNKNOWN
    assert ask(world, data.Visited(zones=("nowhere",), within_s=60))[0] == UNKNOWN


def test_returning_visitors_are_told_from_new_ones() -> None:
    assert ask(with_profile(returning=False), data.FirstVisit())[0] == TRUE
    assert ask(with_profile(returning=True), data.FirstVisit())[0] == FALSE


def test_having_received_a_campaign_counts_real_sends_alone() -> None:
    world = World()
    world.decider.slots["hello"] = 7
    leaf = data.Received(campaign="hello", within_s=600)
    ledger = Ledger()
    assert ask(world, leaf, ledger=ledger)[0] == FALSE
    ledger.add(Sent(NOON - 60_000, 7, LAKE, True, (), False, None, "shadow"), 10**9)
    assert ask(world, leaf, ledger=ledger)[0] == FALSE
    ledger.add(Sent(NOON - 30_000, 7, LAKE, True, (), True, None, "real"), 10**9)
    assert ask(world, leaf, ledger=ledger)[0] == TRUE
    assert ask(world, data.Received(campaign="hello", within_s=29), ledger=ledger)[0] == FALSE


def paddle(**more: Any) -> EventFacts:
    more.setdefault("start_ms", NOON + 30 * MINUTE)
    more.setdefault("end_ms", more["start_ms"] + 60 * MINUTE)
    more.setdefault("zone_slots", (LAKE,))
    return EventFacts(id="paddle", categories=("water",), tags=("sunset",), **more)


@pytest.mark.parametrize(
    ("event", "leaf", "truth"),
    [
        ({}, {"event": "paddle"}, TRUE),
        ({}, {"event": "paddle", "to_min": 30}, TRUE),
        ({}, {"event": "paddle", "to_min": 29}, FALSE),
        ({}, {"event": "paddle", "from_min": 31}, FALSE),
        ({}, {"event": "nothing"}, UNKNOWN),
        ({}, {"category": "water"}, TRUE),
        ({}, {"category": "music"}, FALSE),
        ({}, {"tag": "sunset", "here": True}, TRUE),
        ({"zone_slots": (TOWN,)}, {"tag": "sunset", "here": True}, FALSE),
        ({"status": "cancelled"}, {"event": "paddle"}, FALSE),
        ({"status": "moved"}, {"category": "water"}, FALSE),
        ({"status": "sold_out"}, {"event": "paddle"}, FALSE),
        ({"remaining": 3}, {"event": "paddle", "remaining_min": 3}, TRUE),
        ({"remaining": 2}, {"event": "paddle", "remaining_min": 3}, FALSE),
        ({}, {"event": "paddle", "remaining_min": 1}, UNKNOWN),
        ({"start_ms": NOON - 10 * MINUTE}, {"event": "paddle", "from_min": -15}, TRUE),
    ],
)
def test_an_event_fits_by_time_status_place_and_places_left(
    event: dict[str, Any], leaf: dict[str, Any], truth: int
) -> None:
    world = World()
    world.facts.put_event(paddle(**event))
    found, _, q = ask(world, data.Event(**leaf))
    assert found == truth
    assert (q.event is not None) == (truth == TRUE)


def test_of_several_events_the_message_speaks_of_the_first_that_fits() -> None:
    world = World()
    world.facts.put_event(paddle(status="cancelled"))
    for name, minutes in (("late", 50), ("early", 40)):
        start_ms = NOON + minutes * MINUTE
        world.facts.put_event(
            EventFacts(id=name, start_ms=start_ms, end_ms=start_ms + 1, categories=("water",))
        )
    truth, seen, q = ask(world, data.Event(category="water"))
    assert truth == TRUE
    assert q.event is not None
    assert q.event.id == "early"
    assert seen[0][2][:2] == ("early", "scheduled")


def test_the_message_never_speaks_of_an_event_under_a_not() -> None:
    world = World()
    world.facts.put_event(paddle())
    tree = data.AnyOf(of=(data.Not(of=data.Event(event="paddle")), YES))
    assert ask(world, tree)[2].event is None


def test_an_event_without_a_name_is_the_triggers_own() -> None:
    world = World()
    mine = paddle(remaining=1)
    assert ask(world, data.Event(remaining_min=1), event=mine)[0] == TRUE
    assert ask(world, data.Event(remaining_min=2), event=mine)[0] == FALSE


def test_hours_are_those_of_the_named_place_or_of_the_events_or_triggers() -> None:
    world = World(now_ms=ms("2025-06-18T10:00"))
    for name, text in (("museum", "10:00-18:00"), ("pier-place", "12:00-14:00")):
        world.facts.places[name] = PlaceFacts(id=name, lat=45.9, lon=6.1, opening_hours=text)
    assert ask(world, data.Hours(place="museum"))[0] == TRUE
    assert ask(world, data.Hours(), zone=PIER)[0] == FALSE
    assert ask(world, data.Hours(), zone=PIER, event=paddle(place="museum"))[0] == TRUE
    assert ask(world, data.Hours(), zone=LAKE)[0] == UNKNOWN
    assert ask(world, data.Hours(place="closed-down"))[0] == UNKNOWN


def test_events_are_found_by_when_they_start() -> None:
    facts = World().facts
    for name, start_ms in (("b", 20), ("a", 20), ("c", 30)):
        facts.put_event(EventFacts(id=name, start_ms=start_ms, end_ms=start_ms))
    assert [each.id for each in facts.events_between(20, 29)] == ["a", "b"]
    facts.put_event(EventFacts(id="a", start_ms=40, end_ms=41))
    assert [each.id for each in facts.events_between(0, 100)] == ["b", "c", "a"]
    facts.drop_event("c")
    facts.drop_event("never was")
    assert [each.id for each in facts.events_between(0, 100)] == ["b", "a"]


def test_an_event_is_found_by_its_occurrences() -> None:
    world = World()
    for day, minutes in (("1", -60), ("2", 40), ("3", 2000)):
        start_ms = NOON + minutes * MINUTE
        each = EventFacts(id=f"market#{day}", event="market", start_ms=start_ms, end_ms=start_ms)
        world.facts.put_event(each)
    _, _, q = ask(world, data.Event(event="market"))
    assert q.event is not None
    assert q.event.id == "market#2"
    assert ask(world, data.Event(event="market#3"))[0] == FALSE
    assert ask(world, data.Event(event="market", to_min=39))[0] == FALSE
    world.facts.drop_event("market#2")
    assert ask(world, data.Event(event="market"))[0] == FALSE
    world.facts.drop_event("market#1")
    world.facts.drop_event("market#3")
    assert ask(world, data.Event(event="market"))[0] == UNKNOWN
