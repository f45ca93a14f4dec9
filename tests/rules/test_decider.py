"""The decider, case by case: who is spoken to, who is not, and for which reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from geofence.columns import Cause
from rules import campaigns as data
from rules.campaigns import (
    AllOf,
    Broadcast,
    Cap,
    Consent,
    Dwell,
    Enter,
    EventSoon,
    Exit,
    Experiment,
    Feed,
    Language,
    LevelChange,
    Near,
    QuietHours,
    Restraint,
    RestraintSettings,
    Variant,
    Weekly,
)
from rules.decisions import Decision, Reason
from rules.experiments import share
from rules.facts import EventFacts, FeedFacts, VisitorFacts
from rules.recheck import recheck
from rules.rulings import STAGES
from tests.rules.world import ANNECY, FREE, LAKE, NOON, PIER, TOWN, World, campaign, ms, reasons

MINUTE = 60_000
OPEN = Weekly(start="11:00", end="13:00")
SHUT = Weekly(start="14:00", end="15:00")


def settings(**more: Any) -> RestraintSettings:
    return msgspec.structs.replace(FREE, **more)


def test_only_live_campaigns_answer_and_only_where_they_listen() -> None:
    world = World()
    world.put(campaign("draft", status="draft"))
    world.put(campaign("town"), [TOWN])
    world.put(campaign("exit", trigger=Exit(zones=("lake",))))
    assert world.enter() == []
    world.put(campaign("lake"))
    world.leave()
    assert [each.campaign_id for each in world.enter()] == ["lake"]


def test_a_visitor_without_a_profile_is_nobody() -> None:
    world = World()
    world.put(campaign())
    world.facts.put_visitor(0, None)
    assert world.enter() == []


@pytest.mark.parametrize("kind", ["promotion", "information", "alert"])
@pytest.mark.parametrize("consents", [0, 1, 2])
def test_nobody_is_told_anything_without_consent(kind: str, consents: int) -> None:
    world = World()
    world.put(campaign(kind=kind))
    world.facts.put_visitor(0, VisitorFacts(id="v0", consents=consents))
    assert reasons(world.enter()) == ["consent"]


@pytest.mark.parametrize(
    ("cause", "reason"),
    [(Cause.TIMEOUT, "timeout"), (Cause.BACKLOG, "backlog"), (Cause.EDIT, "edited_zone")],
)
def test_what_is_not_news_does_not_push(cause: Cause, reason: str) -> None:
    world = World()
    world.put(campaign())
    assert reasons(world.enter(cause=cause)) == [reason]


def test_an_entry_by_edit_counts_where_the_campaign_says_so() -> None:
    world = World()
    world.put(campaign(allow_edit_entries=True))
    assert reasons(world.enter(cause=Cause.EDIT)) == ["sent"]


def test_a_transition_older_than_allowed_does_not_push() -> None:
    world = World()
    world.put(campaign(), now_ms=NOON - 3_600_000)
    assert reasons(world.enter(at_ms=NOON - 300_001)) == ["stale_fix"]
    world.leave()
    assert reasons(world.enter(at_ms=NOON - 300_000)) == ["sent"]


def test_reasons_come_in_their_order() -> None:
    """Each of window, condition, crowding, cooldown, cap and quiet hours hides the later ones."""
    world = World(settings(per_visitor=Cap(count=1, period_s=3600)))
    world.facts.levels = bytes((5, 0, 0))
    english = Language(any_of=("en",))
    quiet = QuietHours(start="11:00", end="13:00")
    cool = Restraint(cooldown_s=600, cooldown_from="send", quiet_hours=quiet)

    def now_says(each: data.Campaign) -> list[str]:
        world.leave()
        world.put(each)
        return reasons(world.enter())

    world.put(campaign())
    world.facts.levels = b""
    assert reasons(world.enter()) == ["sent"]
    world.facts.levels = bytes((5, 0, 0))
    assert now_says(campaign(condition=AllOf(of=(SHUT, english)), restraint=cool)) == ["window"]
    assert now_says(campaign(condition=AllOf(of=(OPEN, english)), restraint=cool)) == ["condition"]
    assert now_says(campaign(condition=OPEN, restraint=cool)) == ["crowded"]
    assert now_says(campaign(into_crowded=True, restraint=cool)) == ["cooldown"]
    capped = Restraint(quiet_hours=quiet)
    assert now_says(campaign(into_crowded=True, restraint=capped)) == ["cap_visitor"]
    free = Restraint(quiet_hours=quiet, per_visitor=None)
    assert now_says(campaign(into_crowded=True, restraint=free)) == ["quiet_hours"]


@pytest.mark.parametrize(
    ("kind", "on_unknown", "reason"),
    [
        ("promotion", None, "unknown"),
        ("information", None, "unknown"),
        ("alert", None, "sent"),
        ("promotion", "allow", "sent"),
        ("alert", "block", "unknown"),
    ],
)
def test_the_campaign_says_what_unknown_does(
    kind: str, on_unknown: str | None, reason: str
) -> None:
    world = World()
    rain = Feed(feed="rain_mm", op="gt", value=0)
    world.put(campaign(kind=kind, on_unknown=on_unknown, condition=rain))
    assert reasons(world.enter()) == [reason]


def test_alerts_pass_caps_quiet_hours_crowds_and_arbitration_but_not_their_cooldown() -> None:
    night = ms("2025-06-15T23:00")
    strict = RestraintSettings(
        global_cap=Cap(count=1, period_s=86_400), arbitration_window_ms=3000, holdout=1.0
    )
    world = World(strict, now_ms=night)
    world.facts.levels = bytes((5, 0, 0))
    alert = campaign(kind="alert", restraint=Restraint(cooldown_s=60, cooldown_from="send"))
    world.put(alert)
    assert reasons(world.enter()) == ["sent"]
    world.leave()
    assert reasons(world.enter()) == ["cooldown"]
    world.tick(60)
    world.leave()
    assert reasons(world.enter()) == ["sent"]


def test_alerts_do_not_use_up_the_promotions_of_a_visitor() -> None:
    world = World(settings(global_cap=Cap(count=1, period_s=3600)))
    world.put(campaign("a", kind="alert"))
    world.put(campaign("b"))
    assert reasons(world.enter()) == ["sent", "sent"]


def test_a_cap_rolls() -> None:
    world = World(settings(global_cap=Cap(count=2, period_s=600)))
    world.put(campaign())
    found = []
    for _ in range(5):
        found += reasons(world.enter())
        world.leave()
        world.tick(200)
    # Sends at 0 and 200 s; refused at 400; at 600 s the first is 600 s old and counts no more.
    assert found == ["sent", "sent", "cap_global", "sent", "sent"]


def test_a_tag_has_a_cap_of_its_own() -> None:
    world = World(settings(tag_caps={"food": Cap(count=1, period_s=3600)}))
    world.put(campaign("a", tags=("food", "bar")))
    world.put(campaign("b", tags=("food",)))
    world.put(campaign("c", tags=("bar",)))
    assert reasons(world.enter()) == ["sent", "cap_tag", "sent"]


def test_a_total_is_never_passed_and_a_failed_delivery_gives_back() -> None:
    world = World(visitors=4)
    world.put(campaign(restraint=Restraint(total=2)))
    first = world.enter(0)
    assert reasons([*first, *world.enter(1), *world.enter(2)]) == ["sent", "sent", "cap_total"]
    assert world.decider.release(first[0].id, 0)
    assert not world.decider.release(first[0].id, 0)
    assert reasons(world.enter(3)) == ["sent"]


def test_a_failed_delivery_gives_back_cap_and_cooldown() -> None:
    capped = settings(global_cap=Cap(count=1, period_s=3600))
    world = World(capped)
    world.put(campaign(restraint=Restraint(cooldown_s=3600)))
    first = world.enter()[0]
    world.leave()
    assert reasons(world.enter()) == ["cooldown"]
    world.decider.release(first.id, 0)
    world.leave()
    assert reasons(world.enter()) == ["sent"]


def test_a_cooldown_counts_from_leaving_the_zone() -> None:
    world = World()
    world.put(campaign(restraint=Restraint(cooldown_s=600)))
    assert reasons(world.enter()) == ["sent"]
    world.tick(500)
    world.leave()  # the cooldown starts here
    world.tick(590)
    assert reasons(world.enter()) == ["cooldown"]
    world.leave()  # a visit without a word does not start it again
    world.tick(10)
    assert reasons(world.enter()) == ["sent"]


def test_a_zone_cooldown_is_shared_by_all_campaigns() -> None:
    world = World()
    shared = Restraint(zone_cooldown_s=600, cooldown_from="send")
    world.put(campaign("a", restraint=shared))
    world.put(campaign("b", restraint=shared))
    world.put(campaign("c", restraint=shared), [TOWN])
    assert reasons(world.enter()) == ["sent", "cooldown_zone"]
    assert reasons(world.enter(zone=TOWN)) == ["sent"]


def test_a_zone_cooldown_counts_from_leaving_too() -> None:
    world = World()
    world.put(campaign(restraint=Restraint(zone_cooldown_s=600)))
    assert reasons(world.enter()) == ["sent"]
    world.tick(300)
    world.leave()
    world.tick(400)
    assert reasons(world.enter()) == ["cooldown_zone"]


def test_an_exit_campaign_cools_down_from_its_send() -> None:
    world = World()
    exits = Exit(zones=("lake",))
    world.put(campaign(trigger=exits, restraint=Restraint(cooldown_s=600)))
    found = []
    for _ in range(3):
        world.enter()
        found += reasons(world.leave())
        world.tick(300)
    assert found == ["sent", "cooldown", "sent"]


def test_promotions_stay_away_from_red_zones_unless_they_say_so() -> None:
    world = World(visitors=6)
    world.put(campaign("promotion"))
    world.put(campaign("q-brave", into_crowded=True))
    world.put(campaign("r-info", kind="information"))
    for visitor, (level, reason) in enumerate(
        [(0, "sent"), (3, "sent"), (4, "crowded"), (5, "crowded")]
    ):
        world.facts.levels = bytes((level, 0, 0))
        assert reasons(world.enter(visitor)) == [reason, "sent", "sent"]


def test_leaving_a_red_zone_may_be_answered() -> None:
    world = World()
    world.facts.levels = bytes((5, 0, 0))
    world.put(campaign(trigger=Exit(zones=("lake",))))
    world.enter()
    assert reasons(world.leave()) == ["sent"]


def test_an_event_in_a_red_zone_is_not_promoted_elsewhere() -> None:
    world = World()
    world.facts.levels = bytes((0, 0, 5))
    world.facts.put_event(paddle(zone_slots=(PIER,)))
    world.put(campaign(condition=data.Event(event="paddle")))
    assert reasons(world.enter()) == ["crowded"]


def paddle(**more: Any) -> EventFacts:
    more.setdefault("start_ms", NOON + 30 * MINUTE)
    more.setdefault("end_ms", more["start_ms"] + 60 * MINUTE)
    more.setdefault("zone_slots", (LAKE,))
    return EventFacts(id="paddle", categories=("water",), **more)


# --- arbitration ---------------------------------------------------------------------------------

ARBITRATED = settings(arbitration_window_ms=3000)


def test_one_speaks_and_the_others_are_told_to_whom_they_lost() -> None:
    world = World(ARBITRATED)
    world.put(campaign("low", priority=1))
    world.put(campaign("high", priority=5))
    world.put(campaign("mid", priority=3), [TOWN])
    assert world.enter() == []
    assert world.tick(2) == []
    assert world.enter(zone=TOWN) == []
    found = world.tick(1)
    assert [(each.campaign_id, str(each.reason)) for each in found] == [
        ("high", "sent"),
        ("mid", "lost_arbitration"),
        ("low", "lost_arbitration"),
    ]
    assert found[1].decision().trace[-1].detail["winner"] == "high"


def test_at_equal_priority_the_smallest_zone_wins_then_the_id() -> None:
    world = World(ARBITRATED)
    world.put(campaign("a"))
    world.put(campaign("z"), [PIER])
    world.put(campaign("y"), [PIER])
    world.enter()
    world.enter(zone=PIER)
    assert [each.campaign_id for each in world.tick(3)] == ["y", "z", "a"]


def test_those_who_do_not_compete_speak_beside_the_others() -> None:
    world = World(ARBITRATED)
    world.put(campaign("a", restraint=Restraint(arbitrate=False)))
    world.put(campaign("b", kind="alert"))
    world.put(campaign("c"))
    assert reasons(world.enter()) == ["sent", "sent"]
    assert reasons(world.tick(3)) == ["sent"]


def test_the_next_best_speaks_when_the_best_may_not_any_more() -> None:
    world = World(ARBITRATED)
    once = Restraint(per_visitor=Cap(count=1, period_s=3600))
    world.put(campaign("best", priority=9, restraint=once))
    world.put(campaign("next"))
    world.enter()
    world.leave()
    world.enter()  # a second candidacy of both in the same window
    assert [(each.campaign_id, str(each.reason)) for each in world.tick(3)] == [
        ("best", "sent"),
        ("best", "lost_arbitration"),
        ("next", "lost_arbitration"),
        ("next", "lost_arbitration"),
    ]
    world.leave()
    world.enter()
    assert [str(each.reason) for each in world.tick(3)] == ["sent"]


def test_what_waits_is_dropped_when_consent_campaign_or_event_goes() -> None:
    world = World(ARBITRATED, visitors=4)
    world.facts.put_event(paddle())
    world.put(campaign("event", condition=data.Event(event="paddle")))
    world.enter(0)
    world.facts.put_event(paddle(status="cancelled"))
    assert reasons(world.tick(3)) == ["event_changed"]
    world.put(campaign("event"))
    world.enter(1)
    world.facts.put_visitor(1, VisitorFacts(id="v1", consents=1))
    assert reasons(world.tick(3)) == ["consent"]
    world.enter(2)
    world.put(campaign("event", status="paused"))
    assert reasons(world.tick(1)) == ["not_live"]
    assert world.tick(3) == []
    world.put(campaign("event"))
    world.enter(3)
    world.decider.remove_campaign("event")
    assert reasons(world.tick(1)) == ["not_live"]


def test_a_crowded_window_lets_the_worst_give_way() -> None:
    world = World(ARBITRATED)
    for number in range(70):
        world.put(campaign(f"c{number:02d}", priority=-number))
    early = world.enter()
    assert reasons(early) == ["lost_arbitration"] * 6
    assert [each.campaign_id for each in early] == [f"c{number}" for number in range(64, 70)]
    assert len(world.tick(3)) == 64


# --- quiet hours ---------------------------------------------------------------------------------

EVENING = ms("2025-06-15T22:00")
NIGHT = settings(quiet_hours=QuietHours())
HOLD = Restraint(quiet_hours=QuietHours(rule="hold"))


def test_by_default_the_night_is_quiet_and_what_comes_in_it_is_dropped() -> None:
    world = World(NIGHT, now_ms=EVENING)
    world.put(campaign())
    assert reasons(world.enter()) == ["quiet_hours"]
    assert world.tick(at_ms=ms("2025-06-16T08:00")) == []


def test_a_held_message_goes_out_in_the_morning_to_those_still_there() -> None:
    world = World(NIGHT, now_ms=EVENING)
    world.put(campaign(restraint=HOLD))
    assert [*world.enter(0), *world.enter(1)] == []
    world.leave(1)
    assert world.tick(at_ms=ms("2025-06-16T07:59:59")) == []
    found = world.tick(at_ms=ms("2025-06-16T08:00"))
    assert [(each.visitor, str(each.reason)) for each in found] == [(0, "sent"), (1, "left")]
    assert found[0].decided_ms == ms("2025-06-16T08:00")


def test_a_held_message_is_judged_anew() -> None:
    world = World(NIGHT, now_ms=EVENING)
    world.put(campaign(restraint=HOLD, condition=data.Consent(purposes=("push",))))
    world.put(campaign("other", restraint=HOLD, condition=SHUT))
    world.facts.put_event(paddle(start_ms=EVENING + 30 * MINUTE))
    world.put(campaign("past", restraint=HOLD, condition=data.Event(event="paddle")))
    assert reasons(world.enter()) == ["window"]
    world.facts.drop_event("paddle")
    world.facts.put_visitor(0, VisitorFacts(id="v0", consents=7))
    found = world.tick(at_ms=ms("2025-06-16T09:00"))
    assert {each.campaign_id: str(each.reason) for each in found} == {
        "c": "sent",
        "past": "event_changed",
    }


def test_of_two_held_alike_the_newer_stays() -> None:
    world = World(NIGHT, now_ms=EVENING)
    world.put(campaign(restraint=HOLD))
    assert world.enter() == []
    world.leave()
    replaced = world.enter()
    assert reasons(replaced) == ["quiet_hours"]
    assert reasons(world.tick(at_ms=ms("2025-06-16T08:00"))) == ["sent"]


# --- moments -------------------------------------------------------------------------------------


def test_a_campaign_that_opens_on_someone_inside_obeys_its_rule() -> None:
    world = World(visitors=3)
    world.enter(0)
    world.tick(60)
    world.put(campaign("skip"))
    world.put(campaign("fire", on_open_if_inside="fire"))
    later = world.enter(1)
    assert [each.campaign_id for each in later] == ["fire", "skip"]
    found = world.tick()
    assert [(each.campaign_id, each.visitor) for each in found] == [("fire", 0)]
    assert world.tick() == []


def test_a_dwell_that_began_before_the_campaign_is_skipped_or_counted() -> None:
    world = World()
    world.enter(0)
    world.tick(60)
    world.put(campaign("skip", trigger=Dwell(zones=("lake",), after_s=120)))
    world.put(campaign("fire", trigger=Dwell(zones=("lake",), after_s=120),
                       on_open_if_inside="fire"))  # fmt: skip
    world.put(campaign("past", trigger=Dwell(zones=("lake",), after_s=30),
                       on_open_if_inside="fire"))  # fmt: skip
    assert [each.campaign_id for each in world.tick(1)] == ["past"]
    world.facts.now_ms += 59_000
    found = world.dwell(120)
    assert {each.campaign_id: str(each.reason) for each in found} == {
        "skip": "opened_inside",
        "fire": "sent",
    }


def test_an_exit_after_the_opening_counts_whenever_the_visit_began() -> None:
    world = World()
    world.enter()
    world.tick(60)
    world.put(campaign(trigger=Exit(zones=("lake",))))
    assert reasons(world.leave()) == ["sent"]


def test_a_window_that_opens_on_someone_inside_fires_once_where_asked() -> None:
    world = World(visitors=2)
    world.put(campaign("fire", condition=SHUT, on_open_if_inside="fire"))
    world.put(campaign("skip", condition=SHUT))
    assert reasons(world.enter()) == ["window", "window"]
    assert world.tick(at_ms=ms("2025-06-15T13:59:59")) == []
    assert [each.campaign_id for each in world.tick(1)] == ["fire"]
    assert world.tick() == []
    assert reasons(world.enter(1)) == ["sent", "sent"]
    world.tick(at_ms=ms("2025-06-15T15:00"))
    assert len(world.tick(at_ms=ms("2025-06-16T14:00"))) == 2  # the next day, both are inside


def test_an_edit_does_not_reopen_a_live_campaign() -> None:
    world = World()
    world.put(campaign(on_open_if_inside="fire"))
    world.tick()
    assert reasons(world.enter()) == ["sent"]
    world.put(campaign(on_open_if_inside="fire", priority=3), version=2)
    assert world.tick() == []
    world.leave()
    assert world.enter()[0].decision().version == 2


def test_a_broadcast_reaches_everyone_in_its_zones_once() -> None:
    world = World(visitors=3)
    world.enter(0)
    world.enter(0, TOWN)
    world.enter(1, TOWN)
    closure = campaign(kind="alert", trigger=Broadcast(zones=("lake", "town")))
    world.put(closure, [LAKE, TOWN])
    found = world.tick()
    assert [(each.visitor, each.zone) for each in found] == [(0, TOWN), (1, TOWN)]
    world.enter(2)
    assert world.tick() == []
    world.put(msgspec.structs.replace(closure, status="paused"), [LAKE, TOWN])
    world.put(closure, [LAKE, TOWN])
    assert world.tick() == []


def test_a_broadcast_can_be_timed() -> None:
    world = World()
    world.enter()
    at = datetime.fromtimestamp((NOON + 60_000) / 1000, UTC)
    world.put(campaign(kind="alert", trigger=Broadcast(zones=("lake",), at=at)))
    assert world.tick(59) == []
    assert reasons(world.tick(1)) == ["sent"]


def test_a_level_that_becomes_red_is_told_to_those_inside_or_named() -> None:
    world = World(visitors=3)
    world.enter(0)
    world.enter(1, TOWN)
    red = LevelChange(zones=("lake",), to=("very_busy", "full"))
    world.put(campaign("here", kind="alert", trigger=red))
    world.put(campaign("there", kind="alert", trigger=red), tell_slots=[TOWN])
    world.facts.levels = bytes((3, 0, 0))
    assert world.tick() == []
    world.facts.levels = bytes((4, 0, 0))
    found = world.tick()
    assert [(each.campaign_id, each.visitor) for each in found] == [("here", 0), ("there", 1)]
    assert world.tick() == []
    world.facts.levels = bytes((2, 0, 0))
    assert world.tick() == []
    world.facts.levels = bytes((5, 0, 0))
    assert len(world.tick()) == 2


def test_a_level_that_is_red_already_is_news_only_where_asked() -> None:
    world = World()
    world.enter()
    world.facts.levels = bytes((5, 0, 0))
    red = LevelChange(zones=("lake",), to=("full",))
    world.put(campaign("skip", kind="alert", trigger=red))
    world.put(campaign("fire", kind="alert", trigger=red, on_open_if_inside="fire"))
    assert [each.campaign_id for each in world.tick()] == ["fire"]


def test_an_event_is_told_when_it_nears_to_those_in_its_zones() -> None:
    world = World(visitors=4)
    world.enter(0)
    world.enter(1, TOWN)
    world.enter(2, PIER)
    world.facts.put_event(paddle(start_ms=NOON + 31 * MINUTE, place="pier-place"))
    soon = EventSoon(categories=("water",), minutes_before=30)
    world.put(campaign(trigger=soon, ttl_s=3600), [PIER], tell_slots=[TOWN])
    assert world.tick(59) == []
    found = world.tick(1)
    assert [each.visitor for each in found] == [0, 1, 2]
    decision = found[0].decision()
    assert decision.trigger.event == "paddle"
    assert decision.variables["starts_in_ms"] == 30 * MINUTE
    assert decision.expires_ms == NOON + 31 * MINUTE
    assert world.tick() == []
    # Moved: another moment.
    world.facts.put_event(paddle(start_ms=NOON + 60 * MINUTE))
    assert len(world.tick(at_ms=NOON + 30 * MINUTE)) == 2


def test_an_event_whose_moment_passed_before_the_campaign_is_not_told_unless_asked() -> None:
    world = World()
    world.enter()
    world.facts.put_event(paddle(start_ms=NOON + 10 * MINUTE))
    soon = EventSoon(minutes_before=30)
    world.put(campaign("skip", trigger=soon), [])
    world.put(campaign("fire", trigger=soon, on_open_if_inside="fire"), [])
    assert [each.campaign_id for each in world.tick()] == ["fire"]
    assert world.tick() == []


@pytest.mark.parametrize("status", ["cancelled", "moved", "sold_out"])
def test_an_event_that_is_off_is_not_told(status: Any) -> None:
    world = World()
    world.enter()
    world.facts.put_event(paddle(start_ms=NOON + 30 * MINUTE, status=status))
    world.put(campaign(trigger=EventSoon(events=("paddle",), minutes_before=30)), [])
    assert world.tick() == []


def test_coming_near_a_place_names_the_place() -> None:
    world = World()
    world.put(campaign(trigger=Near(places=("pier-place",), within_m=80)), [PIER])
    decision = world.enter(zone=PIER)[0].decision()
    assert (decision.trigger.kind, decision.trigger.place) == ("near", "pier-place")
    assert decision.variables["place_id"] == "pier-place"


# --- experiments ---------------------------------------------------------------------------------


def test_a_control_group_is_not_spoken_to_but_uses_up_its_caps() -> None:
    world = World(settings(global_cap=Cap(count=1, period_s=3600)), visitors=200)
    world.put(campaign("a", experiment=Experiment(holdout=0.5)))
    world.put(campaign("b"))
    held = 0
    for visitor in range(200):
        found = reasons(world.enter(visitor))
        assert found[1] == "cap_global"  # whether or not `a` was really sent
        held += found[0] == "holdout"
    assert 70 < held < 130
    again = reasons([r for visitor in range(200) for r in world.enter(visitor)])
    assert set(again) == {"cap_global"}


def test_variants_are_sticky_and_shared_out_by_weight() -> None:
    world = World(visitors=300)
    variants = (
        Variant(name="a", weight=1, message={"title": "A"}),
        Variant(name="b", weight=3, message={"title": "B"}),
    )
    each = campaign(experiment=Experiment(variants=variants))
    world.put(each)
    found = [world.enter(visitor)[0].variant for visitor in range(300)]
    for visitor in range(300):
        world.leave(visitor)
    assert found == [world.enter(visitor)[0].variant for visitor in range(300)]
    assert 45 < found.count("a") < 105
    assert each.message_of("b") == {"title": "B"}
    assert each.message_of(None) == each.message


def test_a_share_is_even_and_depends_on_salt_and_purpose() -> None:
    shares = [share("salt", "holdout", f"v{n}") for n in range(2000)]
    assert all(0 <= each < 1 for each in shares)
    for tenth in range(10):
        assert 140 < sum(tenth / 10 <= each < (tenth + 1) / 10 for each in shares) < 260
    assert shares[0] != share("other", "holdout", "v0") != share("salt", "variant", "v0")


def test_a_global_control_group_hears_nothing_but_alerts() -> None:
    world = World(settings(holdout=1.0))
    world.put(campaign("a"))
    world.put(campaign("b", kind="alert"))
    found = world.enter()
    assert reasons(found) == ["holdout", "sent"]
    assert found[0].decision().trace[-1].detail["group"] == "global"


# --- the decision in full ------------------------------------------------------------------------


def test_a_decision_carries_what_it_saw_and_what_the_message_needs() -> None:
    world = World(settings(global_cap=Cap(count=3, period_s=86_400)))
    world.facts.levels = bytes((2, 0, 0))
    world.facts.feeds["water_c"] = FeedFacts(value=22.5, at_ms=NOON - 1000)
    world.facts.put_event(paddle(remaining=4))
    tree = AllOf(
        of=(
            OPEN,
            data.Event(category="water", here=True),
            Feed(feed="water_c", op="gt", value=20),
        )
    )
    world.put(campaign("paddle-now", condition=tree, ttl_s=3600, channels=("fcm",)), version=7)
    decision = world.enter()[0].decision()
    assert (decision.verdict, decision.reason, decision.version) == ("send", Reason.SENT, 7)
    assert decision.expires_ms == NOON + 30 * MINUTE
    assert decision.collapse_key == "lake"
    assert decision.channels == ("fcm",)
    assert not decision.resend_in_doubt
    sunset_ms = decision.variables.pop("sunset_ms")
    assert abs(sunset_ms - ms("2025-06-15T21:27:26")) < 60_000
    decision.variables.pop("sunrise_ms")
    assert decision.variables == {
        "campaign_id": "paddle-now",
        "zone_id": "lake",
        "event_id": "paddle",
        "decided_ms": NOON,
        "time_zone": "Europe/Paris",
        "level": "moderate",
        "feeds": {"water_c": 22.5},
        "event_start_ms": NOON + 30 * MINUTE,
        "event_end_ms": NOON + 90 * MINUTE,
        "starts_in_ms": 30 * MINUTE,
        "event_remaining": 4,
    }
    steps = {step.name: step for step in decision.trace}
    assert steps["trigger"].detail["local_time"] == "2025-06-15T12:00:00+02:00"
    assert steps["event"].detail["remaining"] == 4
    assert steps["feed"].detail == {"feed": "water_c", "value": 22.5, "age_ms": 1000}
    assert [step.name for step in decision.trace][-3:] == ["quiet_hours", "arbitration", "holdout"]
    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


def test_a_trace_ends_where_it_was_blocked() -> None:
    world = World(settings(global_cap=Cap(count=1, period_s=600)))
    world.put(campaign("a"))
    world.put(campaign("b"))
    decision = world.enter()[1].decision()
    assert decision.verdict == "suppressed"
    assert decision.trace[-1].name == "caps"
    assert decision.trace[-1].detail == {
        "reason": "cap_global",
        "count": 1,
        "period_ms": 600_000,
        "until_ms": NOON + 600_000,
    }
    assert decision.variables == {}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_place_in_the_trace(reason: Reason) -> None:
    found = [name for name, blocked in STAGES if reason in blocked]
    assert len(found) == (0 if reason is Reason.SENT else 1)


def test_a_missing_consent_is_named() -> None:
    world = World()
    world.put(campaign(condition=Consent(purposes=("analytics", "push"))))
    refused = world.enter()[0].decision()
    assert [s.detail for s in refused.trace if s.name == "consent" and s.detail] == [
        {"missing": ["analytics"]}
    ]
    world.facts.put_visitor(1, VisitorFacts(id="v1", consents=1))
    assert world.enter(1)[0].decision().trace[-1].detail["missing"] == ["push"]


def test_an_event_that_has_begun_gives_until_its_end_and_then_nothing() -> None:
    world = World(visitors=2)
    world.facts.put_event(paddle(start_ms=NOON - 5 * MINUTE, end_ms=NOON + 5 * MINUTE))
    world.put(campaign(condition=data.Event(event="paddle", from_min=-60)))
    found = world.enter(0)[0]
    assert found.sends
    assert found.expires_ms == NOON + 5 * MINUTE
    world.tick(301)
    late = world.enter(1)[0]
    assert late.reason is Reason.EXPIRED
    assert late.decision().trace[-1].detail["event"] == "paddle"


def test_the_last_look_stops_what_is_over() -> None:
    world = World()
    world.facts.put_event(paddle())
    world.put(campaign(condition=data.Event(event="paddle")))
    decision = world.enter()[0].decision()
    assert recheck(decision, world.facts, 0) is None
    for change, reason in (
        ({"status": "sold_out"}, Reason.EVENT_CHANGED),
        ({"remaining": 0}, Reason.EVENT_CHANGED),
        ({"start_ms": NOON + 31 * MINUTE}, Reason.EVENT_CHANGED),
    ):
        world.facts.put_event(paddle(**change))
        assert recheck(decision, world.facts, 0) is reason
    world.facts.drop_event("paddle")
    assert recheck(decision, world.facts, 0) is Reason.EVENT_CHANGED
    world.facts.put_event(paddle())
    world.facts.now_ms += 900_000
    assert recheck(decision, world.facts, 0) is Reason.EXPIRED
    world.facts.put_visitor(0, VisitorFacts(id="v0", consents=1))
    assert recheck(decision, world.facts, 0) is Reason.CONSENT
    assert recheck(decision, world.facts, 99) is Reason.CONSENT


def test_forgetting_a_visitor_forgets_what_was_said_and_what_waits() -> None:
    night = settings(quiet_hours=QuietHours(start="13:00", end="14:00", rule="hold"),
                     arbitration_window_ms=3000)  # fmt: skip
    world = World(night)
    world.put(campaign(restraint=Restraint(cooldown_s=600)))
    world.enter(0)
    world.tick(3)
    world.enter(1)
    world.decider.forget(0)
    world.decider.forget(1)
    assert world.tick(3) == []
    world.leave(0)
    assert world.enter(0) == []
    assert reasons(world.tick(3)) == ["sent"]


def test_the_arrays_of_the_prefilter_follow_the_campaigns() -> None:
    world = World()
    dwell = campaign("d", trigger=Dwell(zones=("lake",), after_s=60))
    world.put(dwell, [LAKE, PIER])
    world.put(campaign("e", trigger=Dwell(zones=("lake",), after_s=30)), [LAKE])
    world.put(campaign("f", trigger=Enter(zones=("pier",))), [PIER])
    assert world.decider.dwells_ms(LAKE) == (30_000, 60_000)
    assert world.decider.watch[:3].tolist() == [4, 0, 5]
    world.decider.remove_campaign("d")
    assert world.decider.dwells_ms(LAKE) == (30_000,)
    assert world.decider.watch[:3].tolist() == [4, 0, 1]
    world.decider.remove_campaign("never was")


def test_another_destination_has_another_night() -> None:
    world = World(NIGHT, now_ms=ms("2025-06-15T12:00"))
    each = campaign()
    world.put(each)
    world.decider.move(msgspec.structs.replace(ANNECY, time_zone="Asia/Tokyo"))
    world.put(each)
    assert reasons(world.enter(0)) == ["sent"]  # 19:00 in Tokyo
    world.tick(2 * 3600)
    assert reasons(world.enter(1)) == ["quiet_hours"]


def test_putting_the_same_campaign_again_changes_nothing() -> None:
    world = World()
    world.put(campaign())
    before = world.decider.campaigns["c"]
    world.put(campaign(), now_ms=NOON + 60_000)
    assert world.decider.campaigns["c"] is before
    world.put(campaign(), [LAKE, PIER])
    assert world.decider.campaigns["c"] is not before


def test_someone_the_facts_never_heard_of_is_nobody() -> None:
    world = World(visitors=1)
    world.put(campaign(kind="alert", trigger=Broadcast(zones=("lake",))))
    world.put(campaign("e"))
    assert world.enter(7) == []
    assert world.tick() == []
