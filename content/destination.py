"""The destination itself: one instance of Balise serves one."""

from __future__ import annotations

import zoneinfo
from typing import Annotated

import msgspec
from msgspec import Meta

from content import limits
from content.errors import RecordInvalid
from content.fields import Id, Instant, Lat, Lon, Url
from content.texts import Language, Name, Summary, require_language

Colour = Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}$", description="sRGB as #rrggbb.")]


class Colours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The destination's own colours, for its pages."""

    primary: Colour = "#0b5d7a"
    accent: Colour = "#e2725b"


class Destination(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Settings of the destination.

    time_zone: IANA name; every local time, weekday and opening hour of the content is read in it.
    country: ISO 3166-1 alpha-2, for public holidays. lon, lat: the centre, for the sun and maps.
    zoom: of the first map view. demo_start: where the demonstration's virtual clock begins.
    """

    id: Id
    name: Name
    summary: Summary = {}
    time_zone: str
    default_language: Language
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=limits.LANGUAGES_MAX)]
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    lon: Lon
    lat: Lat
    zoom: Annotated[float, Meta(ge=0.0, le=22.0)] = 11.0
    colours: Colours = Colours()
    website: Url | None = None
    attribution: Annotated[str, Meta(max_length=limits.NAME_CHARS_MAX)] = ""
    demo_start: Instant | None = None

    def __post_init__(self) -> None:
        zone_named("time_zone", self.time_zone)
        if self.default_language not in self.languages:
            raise RecordInvalid("languages", "must contain the default language")
        if len(set(self.languages)) != len(self.languages):
            raise RecordInvalid("languages", "names a language twice")
        require_language("name", self.name, self.default_language)


def zone_named(field: str, key: str) -> zoneinfo.ZoneInfo:
    """The time zone of an IANA name; RecordInvalid on `field` if there is none."""
    try:
        return zoneinfo.ZoneInfo(key)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RecordInvalid(field, f"{key!r} is no IANA time zone") from error
