"""The demonstration's campaigns, read by the rooms that run them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from content import annecy
from content.annecy import Annecy
from content.fields import instant_ms
from content.formats.jsonfile import read_records
from notifier import messages, variables
from notifier.messages import Message
from notifier.variables import Reader
from rules import checks
from rules.campaigns import Broadcast, Campaign, Dwell, Enter, Exit, Near


@pytest.fixture(scope="module")
def demo() -> Annecy:
    return annecy.load()


@pytest.fixture(scope="module")
def campaigns(demo: Annecy) -> dict[str, Campaign]:
    report = read_records(demo.campaigns, Campaign)
    assert report.problems == ()
    return {campaign.id: campaign for campaign in report.records}


def leaves(node: Any) -> list[Any]:
    """The conditions of a tree, `all`, `any` and `not` taken apart."""
    if node is None:
        return []
    inner = getattr(node, "of", None)
    if inner is None:
        return [node]
    return [
        leaf for each in (inner if isinstance(inner, tuple) else (inner,)) for leaf in leaves(each)
    ]


def test_there_are_eight_live_campaigns_of_the_kinds_promised(
    campaigns: dict[str, Campaign],
) -> None:
    assert len(campaigns) == 8
    assert {campaign.status for campaign in campaigns.values()} == {"live"}
    assert {type(c.trigger) for c in campaigns.values()} == {Enter, Exit, Dwell, Near, Broadcast}
    kinds = {type(leaf).__name__ for c in campaigns.values() for leaf in leaves(c.condition)}
    assert kinds >= {"Event", "Sun", "Level", "Weekly", "DateRange"}
    assert [c.id for c in campaigns.values() if c.kind == "alert"] == [
        "sentier-de-la-cascade-ferme"
    ]
    caps = [c.restraint.per_visitor for c in campaigns.values()]
    assert any(getattr(cap, "period_s", 0) == 86_400 for cap in caps)


def test_campaigns_can_be_launched(campaigns: dict[str, Campaign]) -> None:
    for campaign in campaigns.values():
        assert checks.problems(campaign) == ()


def test_messages_can_be_launched_in_three_languages(
    campaigns: dict[str, Campaign], demo: Annecy
) -> None:
    for campaign in campaigns.values():
        message = msgspec.convert(campaign.message, Message)
        assert messages.check(message, None, demo.destination.default_language) == ()
        assert set(message.texts) == set(demo.destination.languages)


def test_what_campaigns_name_exists(campaigns: dict[str, Campaign], demo: Annecy) -> None:
    zones = {zone.id for zone in demo.zones}
    tags = {tag for zone in demo.zones for tag in zone.tags}
    places = {place.id for place in demo.places}
    events = {event.id for event in demo.events}
    dwells = {zone.id: zone.to_zone().dwells_ms for zone in demo.zones}
    for campaign in campaigns.values():
        trigger = campaign.trigger
        assert set(getattr(trigger, "zones", ())) <= zones
        assert set(getattr(trigger, "zone_tags", ())) <= tags
        assert set(getattr(trigger, "places", ())) <= places
        for leaf in leaves(campaign.condition):
            if getattr(leaf, "zone", "here") != "here":
                assert leaf.zone in zones
            if type(leaf).__name__ == "Event":
                assert leaf.event in events
        if isinstance(trigger, Dwell):
            assert all(trigger.after_s * 1000 in dwells[zone] for zone in trigger.zones)


@pytest.mark.parametrize(
    ("language", "title", "body"),
    [
        ("fr", "Sur l'eau dans 30 minutes", "Vous êtes au bord du lac : une balade en paddle"),
        ("en", "On the water in 30 minutes", "You're by the lake: a sunset paddle starts in 30"),
        ("de", "In 30 Minuten aufs Wasser", "Sie sind am See: In 30 Minuten beginnt"),
    ],
)
def test_the_paddle_push_reads_as_it_was_asked_for(
    campaigns: dict[str, Campaign], demo: Annecy, language: str, title: str, body: str
) -> None:
    message = msgspec.convert(campaigns["paddle-au-coucher-du-soleil"].message, Message)
    values = variables.sample()
    values["starts_in_ms"] = 30 * 60_000
    values["event"] |= {"id": "paddle-au-coucher-du-soleil@2026-07-18", "remaining": 14}
    zone = demo.destination.time_zone
    reader = Reader(languages=(language,), lang=language, default="fr", time_zone=zone)
    rendered = messages.render(message, values=values, reader=reader)
    assert rendered.lang == language
    assert rendered.title.replace("\u00a0", " ") == title
    assert rendered.body.replace("\u00a0", " ").startswith(body)
    assert "14" in rendered.body
    assert rendered.link is not None
    assert rendered.link.endswith("paddle-au-coucher-du-soleil%402026-07-18")


def test_the_alert_goes_out_just_after_the_clock_starts(
    campaigns: dict[str, Campaign], demo: Annecy
) -> None:
    trigger = campaigns["sentier-de-la-cascade-ferme"].trigger
    assert isinstance(trigger, Broadcast)
    assert trigger.at is not None
    assert demo.destination.demo_start is not None
    assert 0 < instant_ms(trigger.at) - instant_ms(demo.destination.demo_start) < 20_000
