"""What messages can speak of: no more than their campaign supplies, and all of that."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api import demo
from engine.catalogue import decode
from engine.pipeline import Pipeline
from engine.planner import Planner, supplied
from notifier.messages import Message, check
from rules.campaigns import Campaign
from tests.engine.worlds import (
    campaign,
    catalogue,
    change,
    known,
    pings,
    records,
    square,
    tick,
)

SOON = {"type": "event", "category": "paddle"}


def of(trigger: dict[str, Any], condition: dict[str, Any] | None = None) -> frozenset[str]:
    body = campaign("c", trigger, condition=condition)
    return supplied(msgspec.convert(body, Campaign))


def test_an_entered_zone_can_be_named_and_an_event_only_where_one_must_be_found() -> None:
    enter = {"type": "enter", "zones": ["lake"]}
    assert "zone" in of(enter)
    assert "event" not in of(enter)
    assert "event" in of(enter, SOON)
    assert "event" in of(enter, {"type": "all", "of": [SOON, {"type": "weekly"}]})
    assert "event" not in of(enter, {"type": "any", "of": [SOON, {"type": "weekly"}]})
    assert "event" not in of(enter, {"type": "not", "of": SOON})


def test_a_circle_round_a_place_has_no_name_of_its_own() -> None:
    names = of({"type": "near", "places": ["castle"], "within_m": 100})
    assert "place" in names
    assert "zone" not in names


@pytest.mark.parametrize(
    "draft", [d for d in demo.content() if d.kind == "campaign"], ids=lambda d: d.id
)
def test_the_demonstrations_messages_use_what_their_campaigns_supply(draft: Any) -> None:
    found = decode("campaign", draft.body)
    assert check(msgspec.convert(found.message, Message), supplied(found), "fr") == ()


def test_the_values_of_a_decision_are_those_of_its_zone_and_its_visitor() -> None:
    pipeline = Pipeline()
    planner = Planner(pipeline, ("fcm", "inbox"))
    world = [
        tick(0),
        catalogue(
            change("zone", "lake", square("lake")),
            change("campaign", "hi", campaign("hi", {"type": "enter", "zones": ["lake"]})),
        ),
        *known("anna", "de", "en"),
        pings(("anna", 1, 6.005, 45.005)),
        *(tick(s) for s in range(1, 8)),
    ]
    decisions = [
        ruling.decision() for record in records(world) for ruling in pipeline.apply(record).rulings
    ]
    planned = planner.notifications(decisions[0])
    assert {n.channel for n in planned} == {"fcm", "inbox"}
    assert {n.body for n in planned} == {"You are in lake."}
    assert {n.address for n in planned} == {"token-anna", "anna"}
    assert planned == planner.notifications(decisions[0])
