"""Crowding: figures out; counters, feeds and levels set by hand in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from api import limits
from api.calls import Call, Route
from api.errors import Invalid, NotFound
from content.fields import Persons
from engine.crowd import Crowd, Source, Trend
from engine.records import Counter, Feed, Override
from rules.campaigns import LevelName
from rules.facts import LEVEL_NAMES, Level

UNTOLD: Final = Crowd(
    level=Level.UNKNOWN, persons=None, capacity=None, trend=Trend.FLAT, source=Source.NONE, at_ms=0
)


class Occupancy(msgspec.Struct, frozen=True, kw_only=True):
    """A zone's figure as of the engine's last tick.

    persons, capacity: null where nothing tells them. level: one of five, or unknown. visitors:
    whose phones report from inside, as of the last fix; null for devices, whom it does not concern.
    source: none, pings, counter or override. age_s: of the figure.
    """

    zone: str
    level: str
    persons: int | None
    visitors: int | None
    capacity: int | None
    trend: str
    source: str
    at_ms: int
    age_s: float


class LevelBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A level set by hand, for `for_min` minutes; null reopens the zone to its figures."""

    level: LevelName | None
    for_min: Annotated[int, Meta(ge=1, le=7 * 24 * 60)] = 60


class CountBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A counter's absolute number of persons; `at_ms` is now unless given."""

    persons: Persons
    at_ms: Annotated[int, Meta(ge=0, le=limits.FIX_MS_MAX)] | None = None


class FeedBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value pushed in, such as a temperature; `at_ms` is now unless given."""

    value: bool | float | Annotated[str, Meta(max_length=200)]
    at_ms: Annotated[int, Meta(ge=0, le=limits.FIX_MS_MAX)] | None = None


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken, and the instant it holds for."""

    request_id: str
    at_ms: int


async def show(call: Call) -> Occupancy:
    """One zone's figure."""
    return _occupancy(call, [_zone(call)])[0]


async def show_all(call: Call) -> dict[str, list[Occupancy]]:
    """Every zone's figure."""
    return {"items": _occupancy(call, sorted(call.service.motor.catalogue("zone")))}


async def set_level(call: Call) -> Taken:
    """Set a level by hand."""
    body = call.body(LevelBody)
    motor = call.service.motor
    until_ms = motor.clock.now_ms() + body.for_min * 60_000
    await motor.submit(
        Override(zone=_zone(call), level=body.level, until_ms=until_ms, author=call.caller.id)
    )
    return Taken(request_id=call.request_id, at_ms=until_ms)


async def count(call: Call) -> Taken:
    """Take a counter's figure."""
    body = call.body(CountBody)
    at_ms = _at_ms(call, body.at_ms)
    await call.service.motor.submit(Counter(zone=_zone(call), persons=body.persons, at_ms=at_ms))
    return Taken(request_id=call.request_id, at_ms=at_ms)


async def feed(call: Call) -> Taken:
    """Take a feed's value."""
    body = call.body(FeedBody)
    name = call.part("name")
    if len(name) > limits.RECORD_ID_CHARS_MAX:
        raise Invalid.one("name", f"at most {limits.RECORD_ID_CHARS_MAX} characters")
    at_ms = _at_ms(call, body.at_ms)
    await call.service.motor.submit(Feed(name=name, value=body.value, at_ms=at_ms))
    return Taken(request_id=call.request_id, at_ms=at_ms)


def _at_ms(call: Call, given: int | None) -> int:
    now_ms = call.service.motor.clock.now_ms()
    if given is None:
        return now_ms
    if given > now_ms + limits.AHEAD_MS:
        raise Invalid.one("at_ms", "lies in the future")
    return given


def _zone(call: Call) -> str:
    zone = call.part("id")
    if zone not in call.service.motor.catalogue("zone"):
        raise NotFound(kind="zone", record_id=zone)
    return zone


def _occupancy(call: Call, zones: Sequence[str]) -> list[Occupancy]:
    """The figures of zones; what is the same for all of them is worked out once."""
    pipeline = call.service.motor.pipeline
    crowd, tracker = pipeline.crowd, pipeline.tracker
    trends = crowd.trends()
    inside = None if call.caller.kind == "device" else tracker.occupancy()
    out = []
    for zone in zones:
        slot = tracker.zone_slot(zone)
        found = crowd.of(slot, trends) if slot < len(trends) else UNTOLD
        out.append(
            Occupancy(
                zone=zone,
                level=LEVEL_NAMES[found.level],
                persons=found.persons,
                visitors=None if inside is None else int(inside[slot]),
                capacity=found.capacity,
                trend=found.trend.name.lower(),
                source=found.source.name.lower(),
                at_ms=found.at_ms,
                age_s=max(0, pipeline.now_ms - found.at_ms) / 1000,
            )
        )
    return out


ROUTES = (
    Route(method="GET", path="/v1/occupancy", handler=show_all, tag="crowd",
          scopes=("crowd:read",), summary="How crowded every zone is", answer=list[Occupancy]),
    Route(method="GET", path="/v1/zones/{id}/occupancy", handler=show, tag="crowd", device=True,
          scopes=("crowd:read",), summary="How crowded a zone is", answer=Occupancy),
    Route(method="PUT", path="/v1/zones/{id}/level", handler=set_level, tag="crowd",
          scopes=("crowd:write",), summary="Set a zone's level by hand, or reopen it",
          body=LevelBody, answer=Taken, audited=True),
    Route(method="POST", path="/v1/zones/{id}/count", handler=count, tag="crowd",
          scopes=("feeds:write", "crowd:write"), summary="Push a counter's number of persons",
          body=CountBody, answer=Taken),
    Route(method="POST", path="/v1/feeds/{name}", handler=feed, tag="crowd",
          scopes=("feeds:write",), summary="Push a feed's value", body=FeedBody, answer=Taken),
)  # fmt: skip
