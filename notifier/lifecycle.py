"""The life of a notification: one table, (state, event) -> state.

Whoever holds notifications applies it through `after`; nothing else decides a state. The diagram in
the docs is made from the table.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

State = Literal[
    "queued", "sending", "retry", "in_doubt", "sent", "retired", "dead", "expired", "dropped",
    "cancelled",
]  # fmt: skip

Event = Literal[
    "claim", "release", "accept", "defer", "retire", "fail", "lose", "resend", "drop", "expire",
    "cancel", "requeue",
]  # fmt: skip

STATES: Final[tuple[State, ...]] = get_args(State)
EVENTS: Final[tuple[Event, ...]] = get_args(Event)

TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    # Marked durably before anything leaves.
    ("queued", "claim"): "sending",
    ("retry", "claim"): "sending",
    # Claimed, and known not to have left.
    ("sending", "release"): "queued",
    ("sending", "expire"): "expired",
    ("sending", "cancel"): "cancelled",
    # Answered.
    ("sending", "accept"): "sent",
    ("sending", "defer"): "retry",
    ("sending", "retire"): "retired",
    ("sending", "fail"): "dead",
    # The answer was lost, here or in a crash.
    ("sending", "lose"): "in_doubt",
    ("in_doubt", "resend"): "retry",
    ("in_doubt", "drop"): "dropped",
    ("in_doubt", "expire"): "expired",
    # By hand.
    ("queued", "cancel"): "cancelled",
    ("retry", "cancel"): "cancelled",
    ("dead", "requeue"): "queued",
    ("dropped", "requeue"): "queued",
    ("retired", "requeue"): "queued",
}

WAITING: Final[frozenset[State]] = frozenset({"queued", "retry"})
"""States that a claim takes from."""

ENDED: Final[frozenset[State]] = frozenset(
    {"sent", "retired", "dead", "expired", "dropped", "cancelled"}
)
"""States in which nothing more happens unless someone asks for it."""

UNSENT: Final[frozenset[State]] = frozenset({"retired", "dead", "expired", "cancelled"})
"""Ended without reaching the provider: what the decision had reserved can be released, unless an
answer was lost on the way (an `in_doubt` settlement before, `Row.doubts`): the phone may then have
shown it. For the same reason `dropped` is not among them.
"""


def after(state: State, event: Event) -> State | None:
    """The state that `event` leads to from `state`, or None where it does not apply."""
    return TRANSITIONS.get((state, event))


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", "    [*] --> queued"]
    lines += [f"    {state} --> {to}: {event}" for (state, event), to in TRANSITIONS.items()]
    lines += [f"    {state} --> [*]" for state in STATES if state in ENDED]
    return "\n".join(lines) + "\n"
