"""What was said to a visitor: the memory behind caps and cooldowns.

A send is reserved here the moment it is decided, so that campaigns that fire together count each
other, and taken back if its delivery failed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rules import limits


class Sent(NamedTuple):
    """One send. previous_ms: the same campaign's send before it, None for none.

    real: false for a would-be send to the control group, which caps count all the same.
    """

    at_ms: int
    campaign: int
    zone: int
    promotion: bool
    tags: tuple[str, ...]
    real: bool
    previous_ms: int | None
    decision: str


class Ledger:
    """One visitor's sends, oldest first, and departures that restart a cooldown.

    epoch: of the book that may change it; one of an earlier epoch belongs to a snapshot.
    """

    __slots__ = ("epoch", "last", "left", "left_zones", "sends")

    def __init__(self, epoch: int = 0) -> None:
        self.epoch = epoch
        self.sends: list[Sent] = []
        self.last: dict[int, int] = {}  # campaign slot -> ms of its newest send
        self.left: dict[int, int] = {}  # campaign slot -> ms of leaving after that send
        self.left_zones: dict[int, int] = {}  # zone slot -> ms of leaving after a send about it

    def add(self, sent: Sent, horizon_ms: int) -> None:
        """Reserve a send; what is older than `horizon_ms` before it is forgotten."""
        sends = self.sends
        oldest = sent.at_ms - horizon_ms
        if sends and (sends[0].at_ms < oldest or len(sends) >= limits.LEDGER_SENDS_MAX):
            keep = len(sends) - limits.LEDGER_SENDS_MAX + 1
            self.sends = sends = [
                each for at, each in enumerate(sends) if each.at_ms >= oldest and at >= keep
            ]
        sends.append(sent)
        self.last[sent.campaign] = sent.at_ms

    def copy(self, epoch: int) -> Ledger:
        """The same, to be changed in another epoch."""
        other = Ledger(epoch)
        other.sends, other.last = list(self.sends), dict(self.last)
        other.left, other.left_zones = dict(self.left), dict(self.left_zones)
        return other

    def take_back(self, decision: str) -> Sent | None:
        """Undo a send; None if it is not here (any more)."""
        for at in range(len(self.sends) - 1, -1, -1):
            sent = self.sends[at]
            if sent.decision == decision:
                break
        else:
            return None
        del self.sends[at]
        for later in range(at, len(self.sends)):  # the next send of this campaign skips a link
            if self.sends[later].campaign == sent.campaign:
                self.sends[later] = self.sends[later]._replace(previous_ms=sent.previous_ms)
                return sent
        if sent.previous_ms is None:
            self.last.pop(sent.campaign, None)
            self.left.pop(sent.campaign, None)
        else:
            self.last[sent.campaign] = sent.previous_ms
        return sent

    def newest_about(self, zone: int) -> int | None:
        """When the visitor was last spoken to about a zone."""
        for sent in reversed(self.sends):
            if sent.zone == zone:
                return sent.at_ms
        return None

    def to_builtins(self) -> list[Any]:
        """As msgpack-able values."""
        return [
            [list(each) for each in self.sends],
            list(self.last.items()),
            list(self.left.items()),
            list(self.left_zones.items()),
        ]

    @classmethod
    def of(cls, data: list[Any]) -> Ledger:
        """From what `to_builtins` gave."""
        ledger = cls()
        sends, last, left, left_zones = data
        ledger.sends = [Sent(*each)._replace(tags=tuple(each[4])) for each in sends]
        ledger.last = {int(key): value for key, value in last}
        ledger.left = {int(key): value for key, value in left}
        ledger.left_zones = {int(key): value for key, value in left_zones}
        return ledger
