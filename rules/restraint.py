"""Restraint: rolling caps, cooldowns and totals, over the ledgers of all visitors.

A send is counted the instant it is decided, so campaigns that fire together never pass a cap
together; one whose delivery failed is taken back.
"""

from __future__ import annotations

from typing import Any

from rules import limits
from rules.compiled import Compiled, RollingCap, Scope
from rules.decisions import Reason
from rules.ledger import Ledger, Sent
from rules.rulings import Ruling

Refusal = tuple[Reason, tuple[Any, ...]]

_REASON_OF_SCOPE = {
    Scope.VISITOR: Reason.CAP_VISITOR,
    Scope.TAG: Reason.CAP_TAG,
    Scope.GLOBAL: Reason.CAP_GLOBAL,
}


class RestraintBook:
    """Who was told what, and whether one may be told more."""

    __slots__ = ("epoch", "horizon_ms", "ledgers", "totals")

    def __init__(self) -> None:
        self.ledgers: dict[int, Ledger] = {}
        self.totals: dict[int, int] = {}
        self.horizon_ms = limits.LEDGER_MS_MIN
        self.epoch = 0

    def freeze(self) -> dict[int, Ledger]:
        """The ledgers as they are now: from here on each is copied before it is changed."""
        self.epoch += 1
        return dict(self.ledgers)

    def _own(self, visitor: int) -> Ledger | None:
        """A visitor's ledger, to be changed."""
        ledger = self.ledgers.get(visitor)
        if ledger is not None and ledger.epoch != self.epoch:
            ledger = self.ledgers[visitor] = ledger.copy(self.epoch)
        return ledger

    def refusal(self, c: Compiled, visitor: int, zone: int, now_ms: int) -> Refusal | None:
        """Why a campaign may not speak to a visitor now: cooldown, then caps; None if it may."""
        ledger = self.ledgers.get(visitor)
        if ledger is not None:
            if c.cooldown_ms:
                since = ledger.last.get(c.slot)
                if since is not None:
                    if c.cooldown_from_exit:
                        since = max(since, ledger.left.get(c.slot, since))
                    if now_ms - since < c.cooldown_ms:
                        return Reason.COOLDOWN, (since, c.cooldown_ms, since + c.cooldown_ms)
            if c.zone_cooldown_ms and zone >= 0:
                refusal = self._zone_cooldown(c, ledger, zone, now_ms)
                if refusal is not None:
                    return refusal
        for cap in c.caps:
            until_ms = capped_until(cap, c.slot, ledger, now_ms)
            if until_ms is not None:
                detail: tuple[Any, ...] = (cap.count, cap.period_ms, until_ms)
                if cap.tag:
                    detail = (*detail, cap.tag)
                return _REASON_OF_SCOPE[Scope(cap.scope)], detail
        if c.total is not None and not c.alert and self.totals.get(c.slot, 0) >= c.total:
            return Reason.CAP_TOTAL, (c.total,)
        return None

    def _zone_cooldown(self, c: Compiled, ledger: Ledger, zone: int, now_ms: int) -> Refusal | None:
        since = ledger.newest_about(zone)
        if since is None:
            return None
        if c.cooldown_from_exit:
            since = max(since, ledger.left_zones.get(zone, since))
        if now_ms - since >= c.zone_cooldown_ms:
            return None
        return Reason.COOLDOWN_ZONE, (since, c.zone_cooldown_ms, since + c.zone_cooldown_ms)

    def reserve(self, ruling: Ruling, *, real: bool) -> None:
        """Count a send; a control group's would-be send (not `real`) counts for caps alone."""
        c, visitor = ruling.c, ruling.occasion.visitor
        ledger = self._own(visitor)
        if ledger is None:
            ledger = self.ledgers[visitor] = Ledger(self.epoch)
        sent = Sent(
            ruling.decided_ms,
            c.slot,
            ruling.occasion.zone,
            c.promotion,
            c.campaign.tags,
            real,
            ledger.last.get(c.slot),
            ruling.id,
        )
        ledger.add(sent, self.horizon_ms)
        if real:
            self.totals[c.slot] = self.totals.get(c.slot, 0) + 1

    def release(self, decision: str, visitor: int) -> bool:
        """Take a send back, as its delivery failed; False if it was not counted (any more)."""
        ledger = self._own(visitor)
        sent = ledger.take_back(decision) if ledger is not None else None
        if sent is None:
            return False
        if sent.real and self.totals.get(sent.campaign, 0) > 0:
            self.totals[sent.campaign] -= 1
        return True

    def leave(self, visitor: int, zone: int, campaigns: tuple[int, ...], now_ms: int) -> None:
        """Start cooldowns that count from leaving the zone in which a campaign last spoke.

        campaigns: the slots of those with such a cooldown. Later visits do not start it again.
        """
        ledger = self._own(visitor)
        if ledger is None:
            return
        for sent in reversed(ledger.sends):
            slot = sent.campaign
            if sent.zone != zone:
                continue
            if ledger.left_zones.get(zone, -1) < sent.at_ms:
                ledger.left_zones[zone] = now_ms
            newest = ledger.last.get(slot) == sent.at_ms
            if newest and slot in campaigns and ledger.left.get(slot, -1) < sent.at_ms:
                ledger.left[slot] = now_ms


def capped_until(cap: RollingCap, campaign: int, ledger: Ledger | None, now_ms: int) -> int | None:
    """When a cap that is used up lets the next send through; None if it is not used up.

    A send counts while now - sent < period. A cap of nothing never lets one through: it answers
    with the end of the present period.
    """
    left = cap.count
    if left == 0:
        return now_ms + cap.period_ms
    if ledger is None:
        return None
    oldest_ms = now_ms - cap.period_ms
    scope, tag = cap.scope, cap.tag
    for sent in reversed(ledger.sends):
        if sent[0] <= oldest_ms:
            return None
        if scope == 2:
            counts = sent[3]
        elif scope == 0:
            counts = sent[1] == campaign
        else:
            counts = tag in sent[4]
        if counts:
            left -= 1
            if left == 0:
                return sent[0] + cap.period_ms
    return None
