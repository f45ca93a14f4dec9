"""Decisions: to send, or not and why, with the trace that led there.

These are the full form. The decider works with compact `rules.rulings.Ruling`s, since most of them
say no, and each renders to a Decision when somebody asks.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any, Literal, get_args

import msgspec

TriggerKind = Literal[
    "enter", "exit", "dwell", "cross", "near", "event_soon", "level_change", "broadcast"
]
TRIGGER_KINDS: tuple[TriggerKind, ...] = get_args(TriggerKind)


class Reason(StrEnum):
    """Why a decision went as it did; the names are stable."""

    SENT = "sent"
    TIMEOUT = "timeout"  # silence closed the visit
    BACKLOG = "backlog"  # the fix was history, delivered late
    EDITED_ZONE = "edited_zone"  # an entry made by editing the zone
    STALE_FIX = "stale_fix"  # the transition is older than push_max_fix_age_s
    OPENED_INSIDE = "opened_inside"  # the campaign went live after the visitor had entered
    CONSENT = "consent"
    WINDOW = "window"  # a date, season, weekly or sun condition on the clock alone
    CONDITION = "condition"
    UNKNOWN = "unknown"  # a condition nobody could evaluate, and the campaign blocks on it
    CROWDED = "crowded"
    EXPIRED = "expired"  # nothing left of its time to live: its event has begun
    COOLDOWN = "cooldown"
    COOLDOWN_ZONE = "cooldown_zone"
    CAP_VISITOR = "cap_visitor"
    CAP_TAG = "cap_tag"
    CAP_GLOBAL = "cap_global"
    CAP_TOTAL = "cap_total"
    QUIET_HOURS = "quiet_hours"
    LEFT = "left"  # held or waiting, and gone when its time came
    EVENT_CHANGED = "event_changed"  # held or waiting, and its event is off
    NOT_LIVE = "not_live"  # held or waiting, and the campaign was stopped
    LOST_ARBITRATION = "lost_arbitration"
    HOLDOUT = "holdout"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a trace: what was asked, what came out, and the values that were seen."""

    name: str
    outcome: Literal["passed", "blocked", "true", "false", "unknown", "skipped"]
    detail: dict[str, Any] = {}


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision is about: ids, the event time of the trigger, and when the visit began."""

    kind: TriggerKind
    zone: str | None
    place: str | None
    event: str | None
    at_ms: int
    enter_ms: int | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision in full.

    id: 128 bits in hex, from what caused it; the same in any batching. position: of the ping in
    the log; of the last tick for what no ping caused. variables: raw values for the message's
    template (ids, times in ms since 1970 UTC, levels by name). expires_ms: the message is worth
    nothing after it. variant: the message's, None for the campaign's own.
    """

    id: str
    campaign: str
    version: int
    visitor: str
    trigger: Cause
    decided_ms: int
    position: int
    verdict: Literal["send", "suppressed"]
    reason: Reason
    trace: tuple[Step, ...]
    variables: dict[str, Any]
    expires_ms: int
    collapse_key: str
    channels: tuple[str, ...]
    variant: str | None
    resend_in_doubt: bool


def decision_id(
    visitor: str, campaign: str, kind: str, zone: str, event: str, position: int, at_ms: int
) -> str:
    """128 bits in hex of what caused a decision.

    `at_ms` tells apart timers that came due between the same two ticks.
    """
    text = f"{visitor}\x1f{campaign}\x1f{kind}\x1f{zone}\x1f{event}\x1f{position}\x1f{at_ms}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
