"""Offers: what a visitor gets, on which conditions and until when."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from content import limits
from content.fields import (
    Extra,
    Id,
    Image,
    Instant,
    Persons,
    Tags,
    Url,
    check_order,
    instant_ms,
)
from content.texts import Description, Name, Summary


class OfferRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An offer of a place or an event.

    conditions: by language, what the visitor must know before counting on it. valid_from,
    valid_until: the half-open validity, open where None. code: to show or type at redemption.
    redemptions_max: how often it can be redeemed in all; None is unlimited.
    """

    id: Id
    name: Name
    summary: Summary = {}
    description: Description = {}
    conditions: Summary = {}
    place_id: Id | None = None
    event_id: Id | None = None
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    code: Annotated[str, Meta(max_length=limits.ID_CHARS_MAX)] = ""
    redemptions_max: Persons | None = None
    themes: Tags = ()
    tags: Tags = ()
    website: Url | None = None
    image: Image | None = None
    extra: Extra = {}

    def __post_init__(self) -> None:
        check_order(self.valid_from, self.valid_until, "valid_until")

    def valid_at(self, now_ms: int) -> bool:
        """Whether the offer stands at an instant (ms since 1970 UTC)."""
        started = self.valid_from is None or instant_ms(self.valid_from) <= now_ms
        return started and (self.valid_until is None or now_ms < instant_ms(self.valid_until))
