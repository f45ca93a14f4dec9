"""What is rendered once for many is what each would have been told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.records import Catalogue, Change, Consent, Device, Entry, Record, Tick
from notifier import messages, plan
from rules.decisions import Cause, Decision, Reason

NOW_MS = 1_780_000_000_000
LANGUAGES = ("fr", "en")
ZONE = {
    "id": "lake", "name": {"en": "The lake", "fr": "Le lac"}, "radius_m": 200,
    "geometry": {"type": "Point", "coordinates": [6.13, 45.9]},
}  # fmt: skip


def campaign(title: str) -> dict[str, Any]:
    return {
        "id": "c", "name": "c", "kind": "alert", "status": "live",
        "trigger": {"type": "enter", "zones": ["lake"]},
        "message": {"texts": {lang: {"title": title, "body": lang} for lang in LANGUAGES}},
    }  # fmt: skip


def change(kind: Any, body: dict[str, Any], version: int = 1) -> Change:
    return Change(kind=kind, id=body["id"], version=version, body=msgspec.json.encode(body))


class World:
    """A pipeline fed record by record, with its planner."""

    def __init__(self, title: str) -> None:
        self.pipeline = Pipeline()
        self.planner = Planner(self.pipeline, ("fcm",))
        self.feed(Tick(now_ms=NOW_MS))
        self.feed(Catalogue(changes=(change("zone", ZONE),), author="t"))
        self.feed(Catalogue(changes=(change("campaign", campaign(title)),), author="t"))
        for number in range(6):
            name = f"v{number}"
            self.feed(Consent(visitor=name, purposes={"push": True}, at_ms=NOW_MS))
            self.feed(
                Device(
                    device=f"d{number}", visitor=name, platform="android",
                    languages=(LANGUAGES[number % 2],), push_token=f"t{number}",
                )
            )  # fmt: skip

    def feed(self, entry: Entry) -> None:
        self.pipeline.apply(Record(position=self.pipeline.end, received_ms=NOW_MS, entry=entry))

    def decide(self, number: int, version: int = 1) -> Decision:
        return Decision(
            id=f"dec{number}", campaign="c", version=version, visitor=f"v{number}",
            trigger=Cause(kind="enter", zone="lake", place=None, event=None, at_ms=NOW_MS),
            decided_ms=NOW_MS, position=1, verdict="send", reason=Reason.SENT, trace=(),
            variables={}, expires_ms=NOW_MS + 60_000, collapse_key="lake", channels=(),
            resend_in_doubt=True, variant=None,
        )  # fmt: skip


def told(world: World) -> list[tuple[str, str, str]]:
    made = [n for i in range(6) for n in world.planner.notifications(world.decide(i))]
    return [(each.address, each.lang, each.title) for each in made]


def test_an_alert_is_rendered_once_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World("{{ zone.name }}")
    calls: list[Any] = []
    render = messages.render
    monkeypatch.setattr(
        plan.messages, "render", lambda *a, **k: (calls.append(k["reader"]), render(*a, **k))[1]
    )
    names = ("Le lac", "The lake")
    assert told(world) == [(f"t{i}", LANGUAGES[i % 2], names[i % 2]) for i in range(6)]
    assert len(calls) == len(LANGUAGES)


def test_what_speaks_of_the_visitor_is_rendered_for_each() -> None:
    world = World("{{ visitor.language }} {{ zone.name }}")
    assert [title[:2] for _, _, title in told(world)] == ["fr", "en"] * 3


def test_a_change_in_between_is_told_at_once() -> None:
    world = World("{{ zone.name }}")
    told(world)
    renamed = ZONE | {"name": {"en": "Closed lake", "fr": "Lac fermé"}}
    world.feed(Catalogue(changes=(change("zone", renamed, 2),), author="t"))
    assert {title for _, _, title in told(world)} == {"Closed lake", "Lac fermé"}
