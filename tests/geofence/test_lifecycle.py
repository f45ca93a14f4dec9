"""The lifecycle table: complete, and consistent with what it claims."""

from __future__ import annotations

from geofence.lifecycle import COUNTED, TABLE, Event, Input, State, events, mermaid, next_states


def test_every_state_answers_every_input():
    assert set(TABLE) == {(s, i) for s in State for i in Input}


def test_a_visit_begins_by_enter_and_ends_by_exit():
    visits = set(State) - {State.OUTSIDE, State.ENTERING}
    for (state, _), (after, event) in TABLE.items():
        assert (event == Event.ENTER) == (state not in visits and after in visits)
        assert (event == Event.EXIT) == (state in visits and after not in visits)


def test_only_live_visits_count_and_silence_ends_the_counting():
    assert {TABLE[s, Input.SILENT][0] for s in State} & COUNTED == set()


def test_the_flat_tables_are_the_table():
    for (state, given), (after, event) in TABLE.items():
        assert next_states()[state, given] == after
        assert events()[state, given] == event


def test_the_diagram_shows_every_change():
    text = mermaid()
    assert text.startswith("stateDiagram-v2\n")
    for (state, given), (after, _) in TABLE.items():
        if state != after:
            assert any(
                line.strip().startswith(f"{state.name} --> {after.name}:")
                and given.name.lower() in line
                for line in text.splitlines()
            )
