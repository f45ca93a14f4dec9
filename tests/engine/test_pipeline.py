"""State is a function of the log: whatever the batches, and through every kind of entry."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from api import demo
from engine import records as entries_
from engine.catalogue import CatalogueBook
from engine.pipeline import Pipeline
from engine.records import Change, Consent, Device, Entry, Record, rebatch
from engine.walkers import Walkers
from geofence.columns import Kind, Pings
from geofence.errors import GeofenceError
from rules.campaigns import RestraintSettings
from rules.facts import Level
from tests.engine.worlds import (
    START_MS,
    campaign,
    catalogue,
    change,
    decisions_of,
    known,
    pings,
    records,
    run,
    square,
    tick,
)


@cache
def evening() -> tuple[Record, ...]:
    """Two virtual minutes of Annecy with 150 visitors, as a log."""
    import numpy as np

    begins_ms = demo.start_ms()
    walkers = Walkers(demo.ways(), count=150, seed=11, start_ms=begins_ms)
    out: list[Entry] = [
        entries_.Tick(now_ms=begins_ms),
        catalogue(
            *(
                Change(kind=d.kind, id=d.id, version=1, body=d.body)
                for d in demo.content()
                if d.body is not None
            )
        ),
    ]
    for person in walkers.people:
        out += [
            Device(
                device=person.device,
                visitor=person.visitor,
                platform=person.platform,
                languages=(person.language,),
                push_token=person.device,
            ),
            Consent(visitor=person.visitor, purposes=person.consents, at_ms=begins_ms),
        ]
    names = tuple(person.visitor for person in walkers.people)
    for second in range(1, 121):
        now_ms = begins_ms + second * 1000
        fixes = walkers.step(now_ms)
        rows = Pings(
            fixes.walker,
            fixes.fix_ms,
            fixes.lon,
            fixes.lat,
            fixes.accuracy_m.astype(np.float32),
            fixes.speed_mps.astype(np.float32),
            np.zeros(len(fixes.walker), np.uint8),
        )
        out += [entries_.PingRows.of(names, rows), entries_.Tick(now_ms=now_ms)]
    return tuple(records(out))


@pytest.mark.parametrize("size", [1, 64, 10_000])
def test_the_same_log_in_any_batches_gives_the_same_decisions(size: int) -> None:
    log = list(evening())
    expected = decisions_of(log)
    assert Counter(d.verdict for d in expected)["send"] > 10
    assert decisions_of(rebatch(log, size)) == expected


def test_an_enter_pushes_once() -> None:
    world = [
        tick(0),
        catalogue(
            change("zone", "lake", square("lake")),
            change("campaign", "hi", campaign("hi", {"type": "enter", "zones": ["lake"]})),
        ),
        *known("anna"),
        pings(("anna", 1, 5.99, 45.005)),
        pings(("anna", 10, 6.005, 45.005), ("anna", 20, 6.006, 45.005)),
        *(tick(s) for s in range(1, 10)),
    ]
    assert run(world) == [("hi", "anna", "send", "sent")]


def test_a_dwell_pushes_without_a_further_ping() -> None:
    world = [
        tick(0),
        catalogue(
            change("zone", "lake", square("lake")),
            change(
                "campaign",
                "stay",
                campaign("stay", {"type": "dwell", "zones": ["lake"], "after_s": 60}),
            ),
        ),
        *known("anna"),
        pings(("anna", 1, 6.005, 45.005)),
        *(tick(s) for s in range(1, 70)),
    ]
    assert run(world) == [("stay", "anna", "send", "sent")]


def staying(**zone: Any) -> Change:
    return change("zone", "lake", square("lake", **zone))


@pytest.mark.parametrize("edited_at_s", [0, 30])
def test_editing_a_zone_keeps_the_dwells_that_campaigns_ask_of_it(edited_at_s: int) -> None:
    dwell = {"type": "dwell", "zones": ["lake"], "after_s": 60}
    world = [
        tick(0),
        catalogue(staying(), change("campaign", "stay", campaign("stay", dwell))),
        *known("anna"),
        catalogue(staying(tags=["shore"])) if not edited_at_s else tick(0),
        pings(("anna", 1, 6.005, 45.005)),
        *(tick(s) for s in range(1, edited_at_s)),
        catalogue(staying(capacity=50)) if edited_at_s else tick(1),
        *(tick(s) for s in range(max(1, edited_at_s), 70)),
    ]
    assert run(world) == [("stay", "anna", "send", "sent")]


def test_a_zones_own_dwells_stay_beside_those_of_campaigns_that_come_and_go() -> None:
    dwell = {"type": "dwell", "zones": ["lake"], "after_s": 60}
    ended = campaign("stay", dwell, status="ended")
    steps = [
        (staying(dwell_s=30), [30_000]),
        (change("campaign", "stay", campaign("stay", dwell)), [30_000, 60_000]),
        (staying(dwell_s=45), [45_000, 60_000]),
        (change("zone", "lake", None), []),
        (staying(dwell_s=30), [30_000, 60_000]),
        (change("campaign", "stay", ended), [30_000]),
        (staying(), []),
        (change("campaign", "stay", campaign("stay", dwell)), [60_000]),
    ]
    pipeline = Pipeline()
    world: list[Entry] = []
    for number, (each, _) in enumerate(steps):
        world += [
            tick(200 * number),
            catalogue(each),
            pings((f"v{number}", 200 * number + 1, 6.005, 45.005)),
            tick(200 * number + 100),
            pings((f"v{number}", 200 * number + 101, 6.5, 45.005)),
        ]
    fired: dict[int, list[int]] = {number: [] for number in range(len(steps))}
    for record in records(world):
        found = pipeline.apply(record).transitions
        assert found is not None
        for at in np.flatnonzero(found.kind == Kind.DWELL).tolist():
            fired[int(found.visitor[at])].append(int(found.dwell_ms[at]))
    assert list(fired.values()) == [dwells_ms for _, dwells_ms in steps]


def test_near_a_place_pushes_inside_the_circle_only() -> None:
    place = {"id": "castle", "name": {"en": "Castle"}, "lon": 6.0, "lat": 45.0}
    near = {"type": "near", "places": ["castle"], "within_m": 200}
    world = [
        tick(0),
        catalogue(
            change("place", "castle", place), change("campaign", "near", campaign("near", near))
        ),
        *known("anna"),
        *known("bert"),
        pings(("anna", 1, 6.001, 45.0), ("bert", 1, 6.01, 45.0)),
        *(tick(s) for s in range(1, 8)),
    ]
    assert run(world) == [("near", "anna", "send", "sent")]


def test_a_crowded_zone_holds_a_promotion_back() -> None:
    world = [
        tick(0),
        catalogue(
            change("zone", "lake", square("lake", capacity=100)),
            change("campaign", "hi", campaign("hi", {"type": "enter", "zones": ["lake"]})),
        ),
        *known("anna"),
        entries_.Counter(zone="lake", persons=90, at_ms=START_MS),
        tick(1),
        pings(("anna", 2, 6.005, 45.005)),
        *(tick(s) for s in range(2, 8)),
    ]
    assert run(world) == [("hi", "anna", "suppressed", "crowded")]


def test_consent_withdrawn_ends_pushes_and_presence() -> None:
    pipeline = Pipeline()
    world = [
        tick(0),
        catalogue(
            change("zone", "lake", square("lake")),
            change(
                "campaign",
                "stay",
                campaign("stay", {"type": "dwell", "zones": ["lake"], "after_s": 60}),
            ),
        ),
        *known("anna"),
        pings(("anna", 1, 6.005, 45.005)),
        Consent(visitor="anna", purposes={"location": False}, at_ms=START_MS + 5_000),
        *(tick(s) for s in range(5, 90)),
    ]
    assert run(world, pipeline) == []
    assert pipeline.tracker.occupancy()[pipeline.tracker.zone_slot("lake")] == 0


def test_an_erased_visitor_is_gone_and_a_new_one_of_that_name_starts_afresh() -> None:
    pipeline = Pipeline()
    world = [
        tick(0),
        catalogue(change("zone", "lake", square("lake"))),
        *known("anna"),
        pings(("anna", 1, 6.005, 45.005)),
        entries_.Erasure(visitor="anna"),
        tick(2),
    ]
    run(world, pipeline)
    assert pipeline.visitors.find("anna") is None
    assert pipeline.tracker.occupancy().sum() == 0
    assert pipeline.visitors.slot("anna") == 1


def test_a_failed_delivery_gives_back_what_the_caps_had_reserved() -> None:
    pipeline = Pipeline()
    again = {"quiet_hours": None, "per_visitor": {"count": 1, "period_s": 86_400}}
    world = [
        tick(0),
        catalogue(
            change("zone", "lake", square("lake")),
            change(
                "campaign",
                "hi",
                campaign("hi", {"type": "enter", "zones": ["lake"]}, restraint=again),
            ),
        ),
        *known("anna"),
        pings(("anna", 1, 6.005, 45.005)),
        *(tick(s) for s in range(1, 6)),
    ]
    log = records(world)
    sent = [r.decision() for record in log for r in pipeline.apply(record).rulings]
    assert [d.verdict for d in sent] == ["send"]
    outcome = entries_.Outcome(
        notification="n",
        decision=sent[0].id,
        visitor="anna",
        device="anna-phone",
        state="dead",
        reason="internal",
        at_ms=START_MS,
        releases=True,
    )
    more: list[Entry] = [
        entries_.Outcomes(outcomes=(outcome,)),
        pings(("anna", 100, 5.995, 45.005)),
        pings(("anna", 200, 6.005, 45.005)),
        *(tick(s) for s in range(200, 206)),
    ]
    position = log[-1].end
    verdicts = []
    for entry in more:
        record = Record(position=position, received_ms=START_MS, entry=entry)
        position = record.end
        verdicts += [r.decision().verdict for r in pipeline.apply(record).rulings]
    assert verdicts == ["send"]


def test_a_dead_push_token_is_dropped_and_the_phone_stays() -> None:
    pipeline = Pipeline()
    outcome = entries_.Outcome(
        notification="n",
        decision="d",
        visitor="anna",
        device="anna-phone",
        state="retired",
        reason="UNREGISTERED",
        at_ms=START_MS,
    )
    run([*known("anna"), entries_.Outcomes(outcomes=(outcome,))], pipeline)
    device = pipeline.visitors.device("anna-phone")
    assert device is not None
    assert device.push_token == ""


def test_a_refused_change_changes_nothing() -> None:
    pipeline = Pipeline()
    good = records([tick(0), catalogue(change("zone", "lake", square("lake")))])
    for record in good:
        pipeline.apply(record)
    bow_tie = square("tie")
    bow_tie["geometry"]["coordinates"] = [
        [(6.0, 45.0), (6.01, 45.01), (6.01, 45.0), (6.0, 45.01), (6.0, 45.0)]
    ]
    bad = catalogue(change("zone", "sea", square("sea")), change("zone", "tie", bow_tie))
    with pytest.raises(GeofenceError):
        pipeline.apply(Record(position=good[-1].end, received_ms=0, entry=bad))
    assert set(pipeline.catalogue.all("zone")) == {"lake"}
    assert pipeline.tracker.zone_ids == ["lake"]
    assert pipeline.end == good[-1].end


def test_an_override_sets_the_level_until_it_expires() -> None:
    pipeline = Pipeline()
    world = [
        tick(0),
        catalogue(change("zone", "lake", square("lake", capacity=10))),
        entries_.Override(zone="lake", level="full", until_ms=START_MS + 10_000, author="test"),
        tick(1),
    ]
    run(world, pipeline)
    slot = pipeline.tracker.zone_slot("lake")
    assert pipeline.facts.level(slot) == Level.FULL


def test_versions_of_deleted_records_are_remembered() -> None:
    book = CatalogueBook()
    book.put(change("zone", "lake", square("lake"), version=3), object())
    book.put(change("zone", "lake", None, version=4), None)
    assert book.version("zone", "lake") == 4
    assert book.find("zone", "lake") is None


def world_of_hello(**more: Any) -> list[Entry]:
    """Anna, a lake, and a campaign that greets whoever enters it."""
    return [
        tick(0),
        catalogue(
            change("zone", "lake", square("lake")),
            change("campaign", "hi", campaign("hi", {"type": "enter", "zones": ["lake"]}, **more)),
        ),
        *known("anna"),
    ]


def refused(pipeline: Pipeline, position: int, *changes: Change) -> None:
    """A change that must be refused, and leave everything as it was."""
    before = {kind: dict(pipeline.catalogue.all(kind)) for kind in ("zone", "campaign", "place")}
    zones = list(pipeline.tracker.zone_ids)
    with pytest.raises(GeofenceError):
        pipeline.apply(Record(position=position, received_ms=START_MS, entry=catalogue(*changes)))
    after = {kind: dict(pipeline.catalogue.all(kind)) for kind in before}
    assert after == before
    assert pipeline.tracker.zone_ids == zones


def test_one_dwell_time_too_many_is_refused_and_changes_nothing() -> None:
    pipeline = Pipeline()
    stays = [
        change(
            "campaign",
            f"c{s}",
            campaign(f"c{s}", {"type": "dwell", "zones": ["lake"], "after_s": s}),
        )
        for s in range(1, 66)
    ]
    good = records([tick(0), catalogue(change("zone", "lake", square("lake")), *stays[:64])])
    for record in good:
        pipeline.apply(record)
    refused(pipeline, good[-1].end, stays[64])
    edit = catalogue(change("zone", "lake", square("lake", tags=["water"]), version=2))
    pipeline.apply(Record(position=good[-1].end, received_ms=START_MS, entry=edit))


def test_too_many_circles_over_one_spot_are_refused_and_the_next_change_is_taken() -> None:
    pipeline = Pipeline()
    places = [
        change(
            "place",
            f"p{i}",
            {"id": f"p{i}", "name": {"en": "P"}, "lon": 6, "lat": 45, "categories": ["bar"]},
        )
        for i in range(300)
    ]
    good = records([tick(0), catalogue(*places)])
    for record in good:
        pipeline.apply(record)
    near = {"type": "near", "categories": ["bar"], "within_m": 100}
    refused(pipeline, good[-1].end, change("campaign", "near", campaign("near", near)))
    zone = catalogue(change("zone", "lake", square("lake")))
    pipeline.apply(Record(position=good[-1].end, received_ms=START_MS, entry=zone))
    assert pipeline.tracker.zone_ids == ["lake"]


def test_a_push_that_waited_through_an_outage_is_not_sent_hours_late() -> None:
    world = [*world_of_hello(), pings(("anna", 1, 6.005, 45.005)), tick(1), tick(3 * 3600)]
    assert run(world) == [("hi", "anna", "suppressed", "stale_fix")]


def test_who_left_while_candidates_were_weighed_is_told_nothing() -> None:
    world = [
        *world_of_hello(),
        pings(("anna", 1, 6.005, 45.005)),
        tick(1),
        pings(("anna", 30, 5.997, 45.005)),
        *(tick(s) for s in range(2, 8)),
    ]
    assert run(world) == [("hi", "anna", "suppressed", "left")]


def test_a_decision_that_an_edit_caused_is_known_by_the_edit() -> None:
    immediate = RestraintSettings(arbitration_window_ms=0, quiet_hours=None)
    pipeline = Pipeline(restraint=immediate)
    fires = campaign("hi", {"type": "enter", "zones": ["sea"]}, allow_edit_entries=True)
    log = records(
        [
            tick(0),
            catalogue(change("zone", "lake", square("lake"))),
            *known("anna"),
            pings(("anna", 1, 6.005, 45.005)),
            tick(1),
            catalogue(change("campaign", "hi", fires)),
            catalogue(change("zone", "sea", square("sea"))),
        ]
    )
    made = [r.decision() for record in log for r in pipeline.apply(record).rulings]
    assert [d.position for d in made] == [log[-1].position]


def test_an_older_feed_value_does_not_replace_a_newer_one() -> None:
    pipeline = Pipeline()
    run(
        [
            entries_.Feed(name="rain", value=1.0, at_ms=START_MS + 5),
            entries_.Feed(name="rain", value=0.0, at_ms=START_MS),
        ],
        pipeline,
    )
    assert pipeline.facts.feeds["rain"].value == 1.0
