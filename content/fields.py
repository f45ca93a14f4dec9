"""Types that several records share: ids, tags, positions, instants, links, images."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from content import limits
from content.errors import RecordInvalid
from content.texts import Summary

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]*$"
URL_PATTERN = r"^https?://[^\s]+$"

Id = Annotated[
    str,
    Meta(
        pattern=ID_PATTERN,
        max_length=limits.ID_CHARS_MAX,
        description="Stable identifier: ASCII letters, digits and . _ : - after the first.",
    ),
]
Tag = Annotated[str, Meta(min_length=1, max_length=limits.ID_CHARS_MAX)]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=limits.LIST_ITEMS_MAX)]
Ids = Annotated[tuple[Id, ...], Meta(max_length=limits.LIST_ITEMS_MAX)]
Lon = Annotated[float, Meta(ge=-180.0, le=180.0, description="Longitude, degrees WGS84.")]
Lat = Annotated[float, Meta(ge=-90.0, le=90.0, description="Latitude, degrees WGS84.")]
Instant = Annotated[dt.datetime, Meta(tz=True, description="RFC 3339 instant with its offset.")]
Url = Annotated[str, Meta(pattern=URL_PATTERN, max_length=limits.URL_CHARS_MAX)]
Persons = Annotated[int, Meta(ge=0, le=limits.PERSONS_MAX)]
Extra = Annotated[
    dict[str, object],
    Meta(
        max_length=limits.EXTRA_KEYS_MAX,
        description="Foreign properties kept from an import; Balise does not read them.",
    ),
]
Answer = Literal["yes", "limited", "no"]


class Record(Protocol):
    """What every resource has: an id that never changes and a title by language."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> dict[str, str]: ...


class Image(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A picture by its address, with what must be shown beside it.

    alt: text by language for those who do not see it; rights_end: last day it may be shown.
    """

    url: Url
    alt: Summary
    credit: Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
    licence: Annotated[str, Meta(max_length=limits.NAME_CHARS_MAX)] = ""
    rights_end: dt.date | None = None


class Price(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A price to show: amount 0 is free; `note` by language says who pays what."""

    amount: Annotated[float, Meta(ge=0.0, le=1e7)]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217")] = "EUR"
    note: Summary = {}


def instant_ms(instant: dt.datetime) -> int:
    """Milliseconds since 1970 UTC of an aware instant."""
    return (instant - _EPOCH) // _MILLISECOND


def check_order(first: dt.datetime | None, last: dt.datetime | None, field: str) -> None:
    """Raise RecordInvalid on `field` where the last instant is not after the first."""
    if first is not None and last is not None and last <= first:
        raise RecordInvalid(field, "must be after the instant at which it begins")


def check_pair(lon: float | None, lat: float | None) -> None:
    """Raise RecordInvalid where only one half of a position is given."""
    if (lon is None) != (lat is None):
        missing = "lon" if lon is None else "lat"
        raise RecordInvalid(missing, "a position needs both lon and lat")


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
