"""How far fixes are trusted: the settings of a tracker."""

from __future__ import annotations

import msgspec

from geofence import limits
from geofence.errors import RulesInvalid


class TrackingRules(msgspec.Struct, frozen=True, kw_only=True):
    """How fixes are trusted. 0 switches a rule off.

    future_ms_max, age_ms_max: further from the engine's now than this, a fix is quarantined.
    teleport_mps: a fix that implies more speed than this since the last one waits for a second
        fix that agrees; the default is faster than any train.
    agree_m: two fixes at most this far apart agree at any speed.
    mock_waits: a simulated location waits likewise.
    stale_ms: heard nothing for so long, a visit leaves the occupancy and its timers stop.
    close_ms: heard nothing for so long, a visit ends, with cause TIMEOUT.
    cross_gap_ms: two fixes further apart in time report no crossing of what lies between.
    exit_accuracy_m: how much of a fix's accuracy counts towards the exit distance.
    """

    future_ms_max: int = 5 * 60_000
    age_ms_max: int = 24 * 3_600_000
    teleport_mps: float = 100.0
    agree_m: float = 100.0
    mock_waits: bool = True
    stale_ms: int = 10 * 60_000
    close_ms: int = 30 * 60_000
    cross_gap_ms: int = 5 * 60_000
    exit_accuracy_m: float = limits.EXIT_ACCURACY_M_MAX

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            if not getattr(self, field) >= 0:
                raise RulesInvalid(field, "must not be negative")
        if 0 < self.close_ms < self.stale_ms:
            raise RulesInvalid("close_ms", "a visit is stale before it is closed")


OFF = TrackingRules(
    future_ms_max=0,
    age_ms_max=0,
    teleport_mps=0.0,
    mock_waits=False,
    stale_ms=0,
    close_ms=0,
    cross_gap_ms=0,
)
