"""Decisions for tests."""

from __future__ import annotations

from typing import Any

import msgspec

from rules.decisions import Cause, Decision, Reason, Step

NOW_MS = 1_787_000_000_000


def decided(number: int, **changes: Any) -> Decision:
    """A decision to send; `number` makes it another one."""
    made = Decision(
        id=f"{number:032x}",
        campaign="sunset-paddle",
        version=3,
        visitor=f"visitor-{number}",
        trigger=Cause(
            kind="enter",
            zone="lake",
            place=None,
            event="paddle",
            at_ms=NOW_MS + number,
            enter_ms=NOW_MS + number,
        ),
        decided_ms=NOW_MS + 1000 * number,
        position=number,
        verdict="send",
        reason=Reason.SENT,
        trace=(
            Step(name="window", outcome="passed", detail={"sunset_ms": NOW_MS, "in": [1, 2.5]}),
            Step(name="cap", outcome="passed"),
        ),
        variables={"event": "paddle", "level": "quiet", "é": None},
        expires_ms=NOW_MS + 900_000,
        collapse_key="lake",
        channels=("fcm", "log"),
        variant=None,
        resend_in_doubt=True,
    )
    return msgspec.structs.replace(made, **changes)
