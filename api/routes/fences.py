"""The fences that a phone can watch by itself, while no app runs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from api import limits
from api.calls import Call, Route
from engine.fences import zone_name


class Here(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the phone is. Without `limit`: as many fences as its system lets one app watch."""

    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    limit: Annotated[int, Meta(ge=1, le=limits.FENCES_MAX)] | None = None


class FenceShown(msgspec.Struct, frozen=True, kw_only=True):
    """A circle that holds all of a zone, and how far away the zone is; metres, degrees."""

    zone: str
    name: str
    lon: float
    lat: float
    radius_m: float
    distance_m: float


class AskAgain(msgspec.Struct, frozen=True, kw_only=True):
    """Once out of this circle the nearest fences may be others: ask again."""

    lon: float
    lat: float
    radius_m: float


class FencesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Fences, nearest first."""

    items: list[FenceShown]
    ask_again: AskAgain


async def nearest(call: Call) -> FencesAnswer:
    """The zones nearest to a position, as circles."""
    here = call.query(Here)
    pipeline = call.service.motor.pipeline
    visitor = pipeline.visitors.find(call.caller.visitor)
    languages = visitor.languages if visitor is not None else ()
    device = pipeline.visitors.device(call.caller.device)
    of_system = limits.FENCES_MAX
    if device is not None and device.platform == "ios":
        of_system = limits.FENCES_IOS_MAX
    count = min(here.limit or of_system, of_system)
    found = await call.service.fences.nearest(here.lon, here.lat, count)
    items = [
        FenceShown(
            zone=fence.zone,
            name=zone_name(call.service.motor, fence.zone, languages),
            lon=fence.circle.lon,
            lat=fence.circle.lat,
            radius_m=round(fence.circle.radius_m, 1),
            distance_m=round(fence.distance_m, 1),
        )
        for fence in found.fences
    ]
    again = found.ask_again
    return FencesAnswer(
        items=items,
        ask_again=AskAgain(lon=again.lon, lat=again.lat, radius_m=round(again.radius_m, 1)),
    )


ROUTES = (
    Route(method="GET", path="/v1/fences", handler=nearest, tag="fences", device=True,
          scopes=("content:read",), query=Here, answer=FencesAnswer,
          summary="The nearest zones as circles for the phone's own geofencing"),
)  # fmt: skip
