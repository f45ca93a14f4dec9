"""Campaigns as data: what decodes, what is refused, what makes no sense."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from rules import campaigns as data
from rules import limits
from rules.campaigns import Campaign, Cap, QuietHours, Restraint, decode, schema
from rules.checks import check, problems
from rules.conditions import SEEN_FIELDS
from rules.errors import CampaignError
from tests.rules.world import campaign

PADDLE = b"""{
  "id": "sunset-paddle", "name": "Paddle at sunset", "kind": "promotion", "status": "live",
  "tags": ["lake"], "priority": 10,
  "trigger": {"type": "dwell", "zones": ["lake-shore"], "after_s": 120},
  "condition": {"type": "all", "of": [
    {"type": "weekly", "days": ["fri", "sat"], "start": "17:00", "end": "22:00"},
    {"type": "sun", "event": "sunset", "from_min": -90, "to_min": 0},
    {"type": "event", "event": "paddle", "from_min": 5, "to_min": 30, "remaining_min": 1},
    {"type": "not", "of": {"type": "level", "zone": "pontoon", "at_least": "busy"}},
    {"type": "any", "of": [{"type": "language", "any_of": ["fr"]}, {"type": "first_visit"}]},
    {"type": "feed", "feed": "wind_kmh", "op": "lt", "value": 25, "max_age_s": 1800},
    {"type": "date_range", "first": "2025-06-01", "last": "2025-09-30"}
  ]},
  "restraint": {"per_visitor": {"count": 1, "period_s": 86400}, "quiet_hours": null},
  "message": {"title": {"en": "You're by the lake"}}
}"""


def test_a_campaign_goes_through_json_unchanged() -> None:
    paddle = decode(PADDLE)
    assert decode(msgspec.json.encode(paddle)) == paddle
    assert msgspec.convert(msgspec.to_builtins(paddle), Campaign) == paddle
    assert paddle.restraint.per_visitor == Cap(count=1, period_s=86_400)
    assert paddle.restraint.quiet_hours is None
    assert problems(paddle) == ()
    check(paddle)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"colour": "red"}, "colour"),
        ({"status": "going"}, "$.status"),
        ({"ttl_s": 0}, "$.ttl_s"),
        ({"ttl_s": 90_000}, "$.ttl_s"),
        ({"id": "no spaces"}, "$.id"),
        ({"id": ""}, "$.id"),
        ({"priority": 1.5}, "$.priority"),
        ({"trigger": {"type": "teleport"}}, "$.trigger"),
        ({"trigger": {"type": "dwell", "zones": ["a"], "after_s": 0}}, "$.trigger.after_s"),
        ({"trigger": {"type": "near", "places": ["p"], "within_m": 0}}, "$.trigger.within_m"),
        ({"condition": {"type": "weekly", "start": "8:00"}}, "$.condition.start"),
        ({"condition": {"type": "weekly", "end": "24:01"}}, "$.condition.end"),
        ({"condition": {"type": "all", "of": []}}, "$.condition.of"),
        ({"condition": {"type": "not", "of": {"type": "season", "first": "13-01", "last": "1"}}},
         "$.condition.of.first"),
        ({"condition": {"type": "date_range", "first": "2025-02-29"}}, "$.condition.first"),
        ({"restraint": {"per_visitor": {"count": 1}}}, "$.restraint.per_visitor"),
        ({"restraint": {"cooldown_s": -1}}, "$.restraint.cooldown_s"),
    ],
)  # fmt: skip
def test_what_a_campaign_cannot_be_is_refused_with_its_path(
    change: dict[str, Any], path: str
) -> None:
    raw = {**msgspec.json.decode(PADDLE), **change}
    with pytest.raises(msgspec.ValidationError) as caught:
        decode(msgspec.json.encode(raw))
    assert path in str(caught.value)


def weekly(**fields: Any) -> Campaign:
    return campaign(condition=data.Weekly(**fields))


@pytest.mark.parametrize(
    ("each", "field"),
    [
        (campaign(trigger=data.Enter()), "trigger.zones"),
        (campaign(trigger=data.Broadcast()), "trigger.zones"),
        (campaign(trigger=data.Near(within_m=5.0)), "trigger.places"),
        (weekly(start="24:00"), "condition.start"),
        (weekly(days=("mon", "mon")), "condition.days"),
        (campaign(condition=data.DateRange()), "condition.first"),
        (campaign(condition=data.Season(first="02-30", last="03-01")), "condition.first"),
        (campaign(condition=data.Season(first="02-29", last="04-31")), "condition.last"),
        (campaign(condition=data.Sun(event="sunset", from_min=0, to_min=0)), "condition.to_min"),
        (campaign(condition=data.Event(event="e", tag="t")), "condition.event"),
        (campaign(condition=data.Event(from_min=9, to_min=8)), "condition.to_min"),
        (campaign(condition=data.Level()), "condition.at_least"),
        (campaign(condition=data.Level(at_least="busy", at_most="quiet")), "condition.at_most"),
        (campaign(condition=data.Attribute(name="x", op="in", value="y")), "condition.value"),
        (campaign(condition=data.Attribute(name="x", op="in", value=())), "condition.value"),
        (campaign(condition=data.Attribute(name="x", op="eq", value=(1,))), "condition.value"),
        (campaign(condition=data.Feed(feed="x", op="contains", value=1)), "condition.value"),
        (campaign(condition=data.Feed(feed="x", op="lt", value=True)), "condition.op"),
        (campaign(condition=data.AllOf(of=(data.FirstVisit(), data.Not(of=data.Level())))),
         "condition.of[1].of.at_least"),
        (campaign(restraint=Restraint(quiet_hours=QuietHours(start="24:00"))),
         "restraint.quiet_hours.start"),
        (campaign(restraint=Restraint(quiet_hours=QuietHours(start="08:00"))),
         "restraint.quiet_hours"),
        (campaign(restraint=Restraint(per_visitor=Cap(count=0, period_s=1))),
         "restraint.per_visitor.count"),
        (campaign(kind="alert", experiment=data.Experiment(holdout=0.1)), "experiment.holdout"),
        (campaign(experiment=data.Experiment(variants=(
            data.Variant(name="a", message={}), data.Variant(name="a", message={})))),
         "experiment.variants"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_named(each: Campaign, field: str) -> None:
    assert [problem.field for problem in problems(each)] == [field]
    with pytest.raises(CampaignError) as caught:
        check(each)
    assert caught.value.problems == problems(each)
    assert field in str(caught.value)


def test_trees_too_deep_or_too_wide_are_refused() -> None:
    deep: data.Condition = data.FirstVisit()
    for _ in range(limits.CONDITION_DEPTH_MAX):
        deep = data.Not(of=deep)
    assert len(problems(campaign(condition=deep))) == 1
    leaves = (data.FirstVisit(),) * (limits.CONDITION_LEAVES_MAX // 2 + 1)
    wide = data.AnyOf(of=(data.AllOf(of=leaves), data.AllOf(of=leaves)))
    assert [each.field for each in problems(campaign(condition=wide))] == ["condition"]


def test_the_schema_describes_every_part_and_refuses_other_fields() -> None:
    published = schema()
    parts = published["$defs"]
    for name, part in parts.items():
        assert part["additionalProperties"] is False, name
        assert part["description"], name
    tags = {
        part["properties"]["type"]["enum"][0]
        for part in parts.values()
        if "enum" in part.get("properties", {}).get("type", {})
    }
    assert {"enter", "near", "broadcast", "all", "not", "weekly", "received"} <= tags


def test_every_leaf_says_what_it_saw() -> None:
    leaves = {leaf.__struct_config__.tag for leaf in get_args(data.Leaf)}
    assert leaves == SEEN_FIELDS.keys()


def test_doubt_is_settled_by_kind_unless_the_campaign_says() -> None:
    assert campaign(kind="alert").resends_in_doubt()
    assert not campaign().resends_in_doubt()
    assert campaign(in_doubt="resend").resends_in_doubt()
