"""A campaign made ready to be asked: its settings resolved, its conditions compiled."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum

from msgspec import UNSET

from rules import campaigns as data
from rules.almanac import Almanac
from rules.conditions import split
from rules.facts import LEVEL_OF, Purpose
from rules.windows import Ask, Span, weekly


class Trigger(IntEnum):
    """Trigger kinds; the first four are the kinds of transition of the same number."""

    ENTER = 0
    EXIT = 1
    DWELL = 2
    CROSS = 3
    NEAR = 4
    EVENT_SOON = 5
    LEVEL_CHANGE = 6
    BROADCAST = 7


_TRIGGER_OF: dict[type, Trigger] = {
    data.Enter: Trigger.ENTER,
    data.Exit: Trigger.EXIT,
    data.Dwell: Trigger.DWELL,
    data.Cross: Trigger.CROSS,
    data.Near: Trigger.NEAR,
    data.EventSoon: Trigger.EVENT_SOON,
    data.LevelChange: Trigger.LEVEL_CHANGE,
    data.Broadcast: Trigger.BROADCAST,
}


class Scope(IntEnum):
    """Which sends a cap counts."""

    VISITOR = 0  # this campaign's
    TAG = 1
    GLOBAL = 2  # promotions


class RollingCap:
    """A cap made ready: at most `count` sends in `period_ms`, of a scope."""

    __slots__ = ("count", "period_ms", "scope", "tag")

    def __init__(self, scope: Scope, cap: data.Cap, tag: str = "") -> None:
        self.scope = int(scope)
        self.count = cap.count
        self.period_ms = cap.period_s * 1000
        self.tag = tag


class Quiet:
    """Quiet hours made ready."""

    __slots__ = ("_ask", "_from_ms", "_span", "holds")

    def __init__(self, hours: data.QuietHours, almanac: Almanac) -> None:
        self._ask: Ask = weekly(almanac.clock, data.Weekly(start=hours.start, end=hours.end))
        self._span = Span(0, 0, ())
        self._from_ms = 0
        self.holds = hours.rule == "hold"

    def now(self, now_ms: int) -> bool:
        """Whether it is quiet at an instant."""
        if not self._from_ms <= now_ms < self._span.until_ms:
            self._from_ms, self._span = now_ms, self._ask(now_ms)
        return self._span.truth == 1


class Compiled:
    """One version of a campaign, ready.

    slot: its number in the decider, never reused. opened_ms: when it went live. zone_slots: what
    its trigger watches; tell_slots: whom it tells, where that differs.
    """

    __slots__ = (
        "alert", "almanac", "campaign", "caps", "clock", "cooldown_from_exit", "cooldown_ms",
        "dwell_ms", "experiments", "id", "live", "need", "opened_ms", "order", "promotion",
        "quiet", "rest", "shuns_crowds", "slot", "tell_slots", "total", "trigger",
        "unknown_allows", "version", "waits", "zone_cooldown_ms", "zone_slots",
    )  # fmt: skip

    def __init__(
        self,
        campaign: data.Campaign,
        settings: data.RestraintSettings,
        almanac: Almanac,
        *,
        slot: int,
        version: int,
        opened_ms: int,
        zone_slots: tuple[int, ...],
        tell_slots: tuple[int, ...],
    ) -> None:
        restraint = campaign.restraint
        self.campaign = campaign
        self.almanac = almanac
        self.id = campaign.id
        self.slot = slot
        self.version = version
        self.opened_ms = opened_ms
        self.zone_slots = zone_slots
        self.tell_slots = tell_slots
        self.live = campaign.status == "live"
        self.trigger = _TRIGGER_OF[type(campaign.trigger)]
        self.alert = campaign.kind == "alert"
        self.promotion = campaign.kind == "promotion"
        self.shuns_crowds = self.promotion and not campaign.into_crowded
        self.experiments = not self.alert and (
            settings.holdout > 0 or campaign.experiment is not None
        )
        self.order = (-campaign.priority, campaign.id)
        self.clock, self.rest = split(campaign.condition, almanac)
        self.unknown_allows = campaign.unknown_allows()
        self.need = int(Purpose.LOCATION | Purpose.PUSH)
        self.cooldown_ms = restraint.cooldown_s * 1000
        self.zone_cooldown_ms = restraint.zone_cooldown_s * 1000
        self.cooldown_from_exit = restraint.cooldown_from == "exit"
        self.total = restraint.total
        self.caps = () if self.alert else _caps(campaign, settings)
        self.quiet = None if self.alert else _quiet(campaign, settings, almanac)
        self.waits = restraint.arbitrate and not self.alert and settings.arbitration_window_ms > 0
        trigger = campaign.trigger
        self.dwell_ms = trigger.after_s * 1000 if isinstance(trigger, data.Dwell) else 0

    def is_of(
        self,
        campaign: data.Campaign,
        version: int,
        zone_slots: tuple[int, ...],
        tell_slots: tuple[int, ...],
        almanac: Almanac,
    ) -> bool:
        """Whether it was compiled from just these."""
        return (
            self.version == version
            and self.zone_slots == zone_slots
            and self.tell_slots == tell_slots
            and self.almanac is almanac
            and self.campaign == campaign
        )

    @property
    def has_moments(self) -> bool:
        """Whether a tick can be an occasion for it."""
        if self.trigger in (Trigger.EVENT_SOON, Trigger.LEVEL_CHANGE, Trigger.BROADCAST):
            return True
        fires = self.campaign.on_open_if_inside == "fire"
        return fires and self.trigger in (Trigger.ENTER, Trigger.DWELL, Trigger.NEAR)

    @property
    def cools_from_exit(self) -> bool:
        """Whether leaving a zone starts a cooldown; what speaks on leaving has it from the send."""
        cools = self.cooldown_ms > 0 or self.zone_cooldown_ms > 0
        return cools and self.cooldown_from_exit and self.trigger is not Trigger.EXIT

    @property
    def memory_ms(self) -> int:
        """How far back its caps and cooldowns look."""
        return max([self.cooldown_ms, self.zone_cooldown_ms, *(c.period_ms for c in self.caps)])

    @property
    def levels(self) -> frozenset[int]:
        """The levels that a level_change trigger waits for."""
        trigger = self.campaign.trigger
        assert isinstance(trigger, data.LevelChange)
        return frozenset(int(LEVEL_OF[each]) for each in trigger.to)

    @property
    def broadcast_ms(self) -> int:
        """When a broadcast is due; 0 for at once."""
        trigger = self.campaign.trigger
        assert isinstance(trigger, data.Broadcast)
        at: datetime | None = trigger.at
        return 0 if at is None else int(at.timestamp() * 1000)


def _caps(campaign: data.Campaign, settings: data.RestraintSettings) -> tuple[RollingCap, ...]:
    per_visitor = campaign.restraint.per_visitor
    if per_visitor is UNSET:
        per_visitor = settings.per_visitor
    caps = []
    if isinstance(per_visitor, data.Cap):
        caps.append(RollingCap(Scope.VISITOR, per_visitor))
    tags = sorted(set(campaign.tags) & settings.tag_caps.keys())
    caps.extend(RollingCap(Scope.TAG, settings.tag_caps[tag], tag) for tag in tags)
    if settings.global_cap is not None and campaign.kind == "promotion":
        caps.append(RollingCap(Scope.GLOBAL, settings.global_cap))
    return tuple(caps)


def _quiet(
    campaign: data.Campaign, settings: data.RestraintSettings, almanac: Almanac
) -> Quiet | None:
    hours = campaign.restraint.quiet_hours
    if hours is UNSET:
        hours = settings.quiet_hours
    return Quiet(hours, almanac) if isinstance(hours, data.QuietHours) else None
