"""Places: what a visitor can go to."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import opening_hours as oh
from msgspec import Meta

from content import limits
from content.fields import Answer, Extra, Id, Image, Lat, Lon, Price, Tags, Url
from content.texts import Description, Name, Summary

Season = Literal["spring", "summer", "autumn", "winter"]


class Accessibility(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """For whom a place is equipped; None where nobody has said. `note` by language."""

    wheelchair: Answer | None = None
    hearing: Answer | None = None
    visual: Answer | None = None
    mental: Answer | None = None
    note: Summary = {}


class PlaceRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A place (point of interest).

    zone_id: the zone in which it lies, if it has one. opening_hours: as written at the source, in
    OpenStreetMap's syntax; kept even when it does not parse, and then `opening_hours_invalid` is
    true. That flag is computed: whatever a client sends for it is replaced.
    """

    id: Id
    name: Name
    summary: Summary = {}
    description: Description = {}
    lon: Lon
    lat: Lat
    zone_id: Id | None = None
    categories: Tags = ()
    themes: Tags = ()
    tags: Tags = ()
    must_see: bool = False
    off_the_beaten_track: bool = False
    seasons: tuple[Season, ...] = ()
    opening_hours: Annotated[str, Meta(max_length=limits.OPENING_HOURS_CHARS_MAX)] = ""
    opening_hours_invalid: bool = False
    accessibility: Accessibility = Accessibility()
    price: Price | None = None
    address: Annotated[str, Meta(max_length=limits.NAME_CHARS_MAX)] = ""
    website: Url | None = None
    image: Image | None = None
    extra: Extra = {}

    def __post_init__(self) -> None:
        invalid = bool(self.opening_hours) and not oh.validate(self.opening_hours)
        if invalid != self.opening_hours_invalid:
            msgspec.structs.force_setattr(self, "opening_hours_invalid", invalid)
