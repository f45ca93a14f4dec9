"""Alerts: what visitors must know now, and when it is over."""

from __future__ import annotations

from typing import Literal

import msgspec

from content.fields import Extra, Id, Ids, Instant, Tags, Url, check_order, instant_ms
from content.texts import Description, Name, Summary

AlertKind = Literal["closure", "weather", "safety", "crowding", "transport", "information"]
Severity = Literal["information", "warning", "danger"]


class AlertRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An alert for zones or places; with neither it concerns the whole destination.

    lifted: the all-clear has been given before `valid_until`.
    """

    id: Id
    name: Name
    summary: Summary = {}
    description: Description = {}
    kind: AlertKind
    severity: Severity = "information"
    zone_ids: Ids = ()
    place_ids: Ids = ()
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    lifted: bool = False
    tags: Tags = ()
    website: Url | None = None
    extra: Extra = {}

    def __post_init__(self) -> None:
        check_order(self.valid_from, self.valid_until, "valid_until")

    def in_force_at(self, now_ms: int) -> bool:
        """Whether the alert stands at an instant (ms since 1970 UTC)."""
        if self.lifted or (self.valid_from is not None and now_ms < instant_ms(self.valid_from)):
            return False
        return self.valid_until is None or now_ms < instant_ms(self.valid_until)
