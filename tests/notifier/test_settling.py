from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import limits
from notifier.lifecycle import ENDED, State, after
from notifier.notifications import Accepted, Failed, InDoubt, Outcome, Retired, Retry
from notifier.outbox import Row, applied
from notifier.settling import Attempt, recover, settle, wait_ms
from tests.notifier.samples import MINUTE_MS, NOW_MS, notification

TIMES = Attempt(dispatched_ms=NOW_MS - 80, answered_ms=NOW_MS)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.just(Accepted(provider_id="p")),
    st.builds(Retry, reason=st.text(), after_ms=st.none() | st.integers(-5, 10**12)),
    st.builds(Retired, reason=st.text()),
    st.builds(Failed, reason=st.text(max_size=1000)),
    st.builds(InDoubt, reason=st.text()),
)


def settled(outcome: Outcome, idempotent: bool = False, **changes: Any) -> list[tuple[str, State]]:
    made = notification(**{"attempt": 1, **changes})
    steps = settle(made, outcome, TIMES, chance=0.5, idempotent=idempotent)
    return [(each.event, each.after) for each in steps]


@pytest.mark.parametrize(
    ("outcome", "changes", "expected"),
    [
        (Accepted(provider_id="p"), {}, [("accept", "sent")]),
        (Retired(reason="unregistered"), {}, [("retire", "retired")]),
        (Failed(reason="x"), {}, [("fail", "dead")]),
        (Retry(reason="503"), {}, [("defer", "retry")]),
        (Retry(reason="503"), {"attempt": limits.ATTEMPTS_MAX}, [("fail", "dead")]),
        (Retry(reason="503"), {"expires_ms": NOW_MS + 500}, [("expire", "expired")]),
        (Retry(reason="429", after_ms=20 * MINUTE_MS), {}, [("expire", "expired")]),
        (InDoubt(reason="x"), {}, [("lose", "in_doubt"), ("resend", "retry")]),
        (InDoubt(reason="x"), {"in_doubt": "drop"}, [("lose", "in_doubt"), ("drop", "dropped")]),
        (
            InDoubt(reason="x"),
            {"attempt": limits.ATTEMPTS_MAX},
            [("lose", "in_doubt"), ("drop", "dropped")],
        ),
        (
            InDoubt(reason="x"),
            {"expires_ms": NOW_MS + 500},
            [("lose", "in_doubt"), ("expire", "expired")],
        ),
    ],
)
def test_each_outcome_leads_where_it_should(
    outcome: Outcome, changes: dict[str, Any], expected: object
) -> None:
    assert settled(outcome, **changes) == expected


def test_where_repeating_is_harmless_nothing_is_dropped() -> None:
    assert settled(InDoubt(reason="x"), idempotent=True, in_doubt="drop")[-1] == ("resend", "retry")


@given(
    outcomes,
    st.integers(1, limits.ATTEMPTS_MAX),
    st.integers(NOW_MS - 10, NOW_MS + 10**7),
    st.floats(0, 1, exclude_max=True),
    st.booleans(),
    st.sampled_from(["resend", "drop"]),
)
def test_settlements_apply_in_order_and_nothing_is_retried_too_late(
    outcome: Outcome,
    attempt: int,
    expires_ms: int,
    chance: float,
    idempotent: bool,
    policy: Any,
) -> None:
    made = notification(attempt=attempt, expires_ms=expires_ms, in_doubt=policy)
    row: Row | None = Row(
        notification=made, state="sending", due_ms=0, attempts=attempt, updated_ms=0
    )
    for each in settle(made, outcome, TIMES, chance=chance, idempotent=idempotent):
        assert row is not None
        assert each.after == after(each.before, each.event)
        assert len(each.reason) <= limits.REASON_CHARS_MAX
        row = applied(row, each)
    assert row is not None
    assert row.state in ENDED | {"retry"}
    assert row.dispatched_ms == TIMES.dispatched_ms
    assert row.doubts == isinstance(outcome, InDoubt)
    if row.state == "retry":
        assert NOW_MS <= row.due_ms < expires_ms
        assert attempt < limits.ATTEMPTS_MAX


@given(
    st.integers(1, 100),
    st.none() | st.integers(-(10**6), 10**12),
    st.floats(0, 1, exclude_max=True),
)
def test_waits_obey_the_provider_and_stay_bounded(
    attempt: int, after_ms: int | None, chance: float
) -> None:
    waited_ms = wait_ms(attempt, after_ms, chance)
    if after_ms is None:
        assert limits.RETRY_BASE_MS / 2 <= waited_ms <= limits.RETRY_MAX_MS
    else:
        asked_ms = min(max(0, after_ms), limits.RETRY_AFTER_MAX_MS)
        assert asked_ms <= waited_ms <= asked_ms * 1.1 + 1


def test_waits_double_and_spread() -> None:
    assert [wait_ms(attempt, None, 0.0) for attempt in (1, 2, 3)] == [500, 1_000, 2_000]
    assert [wait_ms(attempt, None, 1.0) for attempt in (1, 2, 3)] == [1_000, 2_000, 4_000]


@pytest.mark.parametrize(
    ("state", "policy", "idempotent", "events"),
    [
        ("sending", "resend", False, ["lose", "resend"]),
        ("sending", "drop", False, ["lose", "drop"]),
        ("sending", "drop", True, ["lose", "resend"]),
        ("in_doubt", "resend", False, ["resend"]),
        ("in_doubt", "drop", False, ["drop"]),
    ],
)
def test_what_a_crash_left_is_resolved_by_the_policy(
    state: State, policy: Any, idempotent: bool, events: list[str]
) -> None:
    row = Row(
        notification=notification(in_doubt=policy),
        state=state,
        due_ms=NOW_MS,
        attempts=1,
        updated_ms=NOW_MS,
        reason="was told",
    )
    steps = recover(row, NOW_MS, chance=0.5, idempotent=idempotent)
    assert [each.event for each in steps] == events
    late = msgspec.structs.replace(row, notification=notification(expires_ms=NOW_MS))
    assert recover(late, NOW_MS, chance=0.5, idempotent=True)[-1].after == "expired"
