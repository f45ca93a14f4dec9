"""What applying a record brings about, for the store and for those who watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from engine.records import Change, Consent, Device, Outcome, Profile
from geofence.columns import U8, Transitions
from notifier.notifications import Notification
from rules.decisions import Decision
from rules.rulings import Ruling


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """When a decision's cause went through the engine, ms since 1970 by the shell's clock.

    Dispatch and answer are the notification's own times.
    """

    received_ms: int
    logged_ms: int
    matched_ms: int
    decided_ms: int


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A visit that began or ended: `exit_ms` None while it lasts."""

    visit: int
    visitor: str
    zone: str
    enter_ms: int
    exit_ms: int | None
    cause: str


class Effects(NamedTuple):
    """All that one record brought about, in order. `through` is the log position after it.

    The pipeline gives status, transitions, rulings and what entered; decisions (the rulings in
    full), notifications, visits and times are completed by who runs it, where they are wanted.
    """

    through: int
    status: U8 | None = None
    transitions: Transitions | None = None
    rulings: Sequence[Ruling] = ()
    decisions: tuple[Decision, ...] = ()
    notifications: tuple[Notification, ...] = ()
    changes: tuple[Change, ...] = ()
    devices: tuple[Device, ...] = ()
    consents: tuple[Consent, ...] = ()
    profiles: tuple[Profile, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    visits: tuple[Visit, ...] = ()
    erased: tuple[str, ...] = ()
    times: Times | None = None
    waited: Mapping[str, Times] = {}
