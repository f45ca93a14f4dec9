from __future__ import annotations

from notifier import lifecycle
from notifier.lifecycle import ENDED, EVENTS, STATES, TRANSITIONS, UNSENT, WAITING


def test_every_state_can_be_reached_and_every_event_has_a_use() -> None:
    reached = {"queued", *TRANSITIONS.values()}
    assert reached == set(STATES)
    assert {event for _, event in TRANSITIONS} == set(EVENTS)


def test_only_claims_lead_to_sending_and_only_sending_is_accepted() -> None:
    assert {event for (_, event), after in TRANSITIONS.items() if after == "sending"} == {"claim"}
    assert [before for (before, event) in TRANSITIONS if event == "accept"] == ["sending"]
    assert {before for (before, event) in TRANSITIONS if event == "claim"} == WAITING


def test_ended_states_are_left_by_hand_only() -> None:
    leaving = {(before, event) for (before, event) in TRANSITIONS if before in ENDED}
    assert {event for _, event in leaving} == {"requeue"}
    assert ENDED | WAITING | {"sending", "in_doubt"} == set(STATES)
    assert UNSENT < ENDED


def test_what_was_sent_is_never_sent_again() -> None:
    assert not [event for (before, event) in TRANSITIONS if before == "sent"]


def test_from_every_state_an_end_can_be_reached() -> None:
    for state in STATES:
        seen = {state}
        while True:
            more = {to for (before, _), to in TRANSITIONS.items() if before in seen} - seen
            if not more:
                break
            seen |= more
        assert seen & ENDED


def test_the_diagram_shows_every_transition_and_end() -> None:
    text = lifecycle.diagram()
    for (before, event), to in TRANSITIONS.items():
        assert f"    {before} --> {to}: {event}\n" in text
    assert text.count("--> [*]") == len(ENDED)
