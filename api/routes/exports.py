"""Exports: a collection as one file of a format that other systems read."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from api.calls import Answerer, Call, Route
from api.errors import NotModified
from content.formats import features_out, gpx, ical, schemaorg_out
from content.occurrences import Sky
from content.texts import Language
from engine.records import CatalogueKind

GEOJSON = "application/geo+json"
JSONLD = "application/ld+json"
CALENDAR = "text/calendar"
GPX = "application/gpx+xml"
Writer = Callable[[list[Any], Call], bytes]


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """lang: of texts, where the format has one language only; else the destination's."""

    lang: Language | None = None


def exporter(kind: CatalogueKind, write: Writer, content_type: str) -> Answerer:
    """The handler of a collection as one file, in the order of ids."""

    async def export(call: Call) -> web.Response:
        entries = call.service.motor.catalogue(kind)
        # One state of the collection has one tag, with the day, since rights to pictures end.
        now_s = call.service.motor.clock.now_ms() / 1000
        today = dt.datetime.fromtimestamp(now_s, tz=_sky(call).time_zone)
        versions = sum(entry.version for entry in entries.values())
        tag = f'"{len(entries)}-{versions}-{today:%Y%m%d}"'
        if call.request.headers.get("If-None-Match") == tag:
            raise NotModified(etag=tag)
        records = [shown(entries[key].record, today.date()) for key in sorted(entries)]
        headers = {"Content-Type": content_type, "ETag": tag}
        return web.Response(body=write(records, call), headers=headers)

    return export


def shown(record: Any, today: dt.date) -> Any:
    """A record without a picture to which the rights have ended."""
    image = record.image
    if image is None or image.rights_end is None or today <= image.rights_end:
        return record
    return msgspec.structs.replace(record, image=None)


def _sky(call: Call) -> Sky:
    destination = call.service.motor.pipeline.catalogue.destination
    return Sky.of(destination) if destination else Sky(zoneinfo.ZoneInfo("UTC"), 0.0, 0.0)


def _default(call: Call) -> str:
    destination = call.service.motor.pipeline.catalogue.destination
    return destination.default_language if destination else "en"


def _languages(call: Call) -> list[str]:
    wanted = call.query(ExportQuery).lang
    return [wanted] if wanted else []


def _geojson(records: list[Any], _call: Call) -> bytes:
    return features_out.write(records)


def _jsonld(records: list[Any], call: Call) -> bytes:
    return schemaorg_out.write(records, sky=_sky(call), now_ms=call.service.motor.clock.now_ms())


def _calendar(records: list[Any], call: Call) -> bytes:
    return ical.write_events(
        records,
        sky=_sky(call),
        languages=_languages(call),
        default_language=_default(call),
        now_ms=call.service.motor.clock.now_ms(),
    )


def _gpx(records: list[Any], call: Call) -> bytes:
    entries = call.service.motor.catalogue("place")
    places = {key: entry.record for key, entry in entries.items()}
    return gpx.write_circuits(
        records, places, languages=_languages(call), default_language=_default(call)
    )


_FORMATS: tuple[tuple[str, CatalogueKind, str, Writer, str, str], ...] = (
    ("places", "place", "geojson", _geojson, GEOJSON, "GeoJSON"),
    ("events", "event", "geojson", _geojson, GEOJSON, "GeoJSON"),
    ("circuits", "circuit", "geojson", _geojson, GEOJSON, "GeoJSON"),
    ("places", "place", "jsonld", _jsonld, JSONLD, "schema.org JSON-LD"),
    ("events", "event", "jsonld", _jsonld, JSONLD, "schema.org JSON-LD"),
    ("circuits", "circuit", "jsonld", _jsonld, JSONLD, "schema.org JSON-LD"),
    ("offers", "offer", "jsonld", _jsonld, JSONLD, "schema.org JSON-LD"),
    ("events", "event", "ics", _calendar, CALENDAR, "iCalendar"),
    ("circuits", "circuit", "gpx", _gpx, GPX, "GPX"),
)
ROUTES = tuple(
    Route(
        method="GET",
        path=f"/v1/{collection}.{ending}",
        handler=exporter(kind, write, content_type),
        summary=f"All {collection} as {name}",
        tag=collection,
        scopes=("content:read",),
        query=ExportQuery,
        gives=content_type,
        answer=dict,
    )
    for collection, kind, ending, write, content_type, name in _FORMATS
)
